import { isIP } from 'node:net'

/**
 * The name that a backend's certificate has to be for, whatever the Host field of a request says. Node checks the
 * certificate in the handshake of every connection to a backend, those of health checks included: its chain against the
 * authorities that Node trusts (NODE_EXTRA_CA_CERTS adds to them), and its names against this one. No option
 * of the gateway turns that off (`rejectUnauthorized` is true by default).
 * @returns empty for an address, against which Node checks the certificate then, and which is not sent as SNI
 */
export function certificateName(host: string): string {
  return isIP(host) === 0 ? host : ''
}
