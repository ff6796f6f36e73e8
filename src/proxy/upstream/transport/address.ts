import type { Backend } from '../../../balancer/backends/backend.js'
import { certificateName } from './tls.js'

/** The address of a backend, in the form that Node's HTTP clients take. */
export interface Address {
  /** An IP address without brackets, or a host name. */
  host: string
  port: number
  /** The name that the backend's certificate has to be valid for, see {@link certificateName}. */
  servername: string
  /** True if the connection uses TLS. */
  secure: boolean
}

/** Returns the address that a backend's URL contains. */
export function addressOf({ url }: Pick<Backend, 'url'>): Address {
  const { protocol, hostname, port } = new URL(url)
  const secure = protocol === 'https:'
  const host = hostname.replace(/^\[|\]$/g, '')
  return { host, port: Number(port) || (secure ? 443 : 80), servername: certificateName(host), secure }
}
