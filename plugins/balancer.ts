import fp from 'fastify-plugin'
import type { Balancer } from '../src/balancer/balancer.js'
import { StoppedError } from '../src/balancer/errors.js'
import type { Pool } from '../src/pool/pool.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The pool that was registered first; inside a pool's own routes, that pool. */
    balancer: Balancer
    /** All pools, by name. */
    balancers: Map<string, Balancer>
  }
}

export interface BalancerPluginOptions {
  pool: Pool
  /** Milliseconds that requests in flight may take when the app closes, unless other code ends the connections. */
  drainTimeout: number
}

/** Decorates the app with a pool, and closes the pool when the app closes. */
export const balancerPlugin = fp<BalancerPluginOptions>(
  async (app, { pool, drainTimeout }) => {
    const { balancer, name } = pool
    let idleTimer: NodeJS.Timeout | undefined
    let cancelDeadline = () => {}
    // The hook is added before anything can fail: the pool may have a store, which has to be closed in any case.
    app.addHook('onClose', async () => {
      clearInterval(idleTimer)
      cancelDeadline()
      await pool.close()
    })
    if (!app.hasDecorator('balancers')) app.decorate('balancers', new Map())
    if (!app.hasDecorator('balancer')) app.decorate('balancer', balancer)
    if (app.balancers.has(name)) {
      throw new Error(`leastwise: a pool named "${name}" is registered already; give each a name of its own`)
    }
    app.balancers.set(name, balancer)
    app.addHook('preClose', async () => {
      // Streams and tunnels may never end. The stand-alone gateway begins its shutdown earlier, with a deadline of its
      // own.
      if (!balancer.endsConnections) {
        cancelDeadline = balancer.clock.after(drainTimeout, () =>
          balancer.stop(new StoppedError('the app did not close in time')),
        )
      }
      balancer.startClosing()
      // Node closes the connections that are idle when closing begins. For a connection whose response had begun by
      // then without "connection: close", Node would wait until the keep-alive time is over. (An HTTP/2 server has no
      // such connections.)
      idleTimer = setInterval(() => app.server.closeIdleConnections?.(), 50)
    })
  },
  { name: 'leastwise-balancer', fastify: '5.x' },
)
