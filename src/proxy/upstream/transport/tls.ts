import { isIP } from 'node:net'

/**
 * Returns the name that a backend's certificate has to be valid for, whatever the Host field of a request says. Node
 * checks the certificate in the TLS handshake of every connection to a backend, including those of health checks: its
 * chain against the authorities that Node trusts (NODE_EXTRA_CA_CERTS adds to them), and its names against this name.
 * No option of the gateway turns that check off (`rejectUnauthorized` is true by default).
 * @returns an empty string for an IP address: Node then checks the certificate against the address, which is not sent
 *   as SNI
 */
export function certificateName(host: string): string {
  return isIP(host) === 0 ? host : ''
}
