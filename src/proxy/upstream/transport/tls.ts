import { isIP } from 'node:net'

/**
 * Returns the name that a backend's certificate has to be valid for, unless another one is set, whatever the Host field
 * of a request says. Node checks the certificate in the TLS handshake of every connection to a backend.
 * @returns an empty string for an IP address: Node then checks the certificate against the address, which is not sent
 *   as SNI
 */
export function certificateName(host: string): string {
  return isIP(host) === 0 ? host : ''
}
