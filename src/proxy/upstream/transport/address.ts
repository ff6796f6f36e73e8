import type { Backend } from '../../../balancer/backends/backend.js'
import { certificateName } from './tls.js'

/** The address of a backend, in the form that Node's clients take. */
export interface Address {
  /** An address without brackets, or a name. */
  host: string
  port: number
  /** The name in the backend's certificate, see {@link certificateName}. */
  servername: string
  /** Whether the connection uses TLS. */
  secure: boolean
}

/** Parses a backend's URL. */
export function addressOf({ url }: Pick<Backend, 'url'>): Address {
  const { protocol, hostname, port } = new URL(url)
  const secure = protocol === 'https:'
  const host = hostname.replace(/^\[|\]$/g, '')
  return { host, port: Number(port) || (secure ? 443 : 80), servername: certificateName(host), secure }
}
