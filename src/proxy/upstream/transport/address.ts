import type { Backend } from '../../../balancer/backends/backend.js'
import { certificateName } from './tls.js'

/** Where a backend is, in the words of Node's clients. */
export interface Address {
  /** An address, without brackets, or a name. */
  host: string
  port: number
  /** See {@link certificateName}. */
  servername: string
  /** Whether TLS is spoken. */
  secure: boolean
}

/** Takes a backend's URL apart. */
export function addressOf({ url }: Pick<Backend, 'url'>): Address {
  const { protocol, hostname, port } = new URL(url)
  const secure = protocol === 'https:'
  const host = hostname.replace(/^\[|\]$/g, '')
  return { host, port: Number(port) || (secure ? 443 : 80), servername: certificateName(host), secure }
}
