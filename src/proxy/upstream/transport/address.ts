import type { Backend } from '../../../balancer/backends/backend.js'
import { socketPathOf } from '../../../balancer/backends/unix-url.js'

/** The address of a backend, in parts that `net.connect` takes. */
export interface Address {
  /** Path of the Unix socket to connect to in place of host and port; undefined for TCP. */
  socketPath: string | undefined
  /** An IP address without brackets, or a host name; empty for a Unix socket. */
  host: string
  /** 0 for a Unix socket. */
  port: number
  /** True if the connection uses TLS. */
  secure: boolean
}

/** Returns the address that a backend's URL contains. */
export function addressOf({ url }: Pick<Backend, 'url'>): Address {
  const socketPath = socketPathOf(url)
  if (socketPath !== undefined) return { socketPath, host: '', port: 0, secure: false }
  const { protocol, hostname, port } = new URL(url)
  const secure = protocol === 'https:'
  const host = hostname.replace(/^\[|\]$/g, '')
  return { socketPath, host, port: Number(port) || (secure ? 443 : 80), secure }
}
