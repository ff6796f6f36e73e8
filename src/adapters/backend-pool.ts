import type { Socket } from 'node:net'
import { buildConnector, Pool } from 'undici'
import type { Backend } from '../balancer/backend.js'

/** Milliseconds; 0 for none. undici's timers are coarse: up to about a second late. */
export interface Timeouts {
  connect: number
  /** To the first byte of the response. */
  response: number
  /** Between two chunks of the response's body. */
  body: number
}

/** What can be seen of a backend's connections from outside of undici. */
export interface Line {
  /** True while a connection reports that it was reset. */
  resetting: boolean
  /** Those that are not made yet. undici leaves them alone when it is destroyed. */
  readonly connecting: Set<Socket>
}

export interface BackendPool {
  pool: Pool
  line: Line
}

/** The connections to one backend. */
export function openPool(backend: Backend, timeouts: Timeouts): BackendPool {
  const line: Line = { resetting: false, connecting: new Set() }
  // It returns the socket at once, which its type does not say.
  const connect = buildConnector({ timeout: timeouts.connect }) as (
    ...parameters: Parameters<buildConnector.connector>
  ) => Socket
  const pool = new Pool(backend.url, {
    // One request at a time on a connection: what waits behind another is not in the backend's hands.
    pipelining: 1,
    headersTimeout: timeouts.response,
    bodyTimeout: timeouts.body,
    connect(target, callback) {
      // Without a server name the connector takes the backend's, which is what its certificate is for.
      const socket = connect({ ...target, servername: '' }, (...result) => {
        line.connecting.delete(socket)
        // undici takes a reset for the end of a body whose length is not known, while this very event is
        // being emitted, and tells nobody.
        socket.on('error', () => {
          line.resetting = true
          process.nextTick(() => {
            line.resetting = false
          })
        })
        callback(...result)
      })
      line.connecting.add(socket)
    },
  })
  return { pool, line }
}
