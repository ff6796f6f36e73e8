import underPressure from '@fastify/under-pressure'
import fp from 'fastify-plugin'
import { warn } from '../src/balancer/observer-guard.js'
import { OverloadedError } from '../src/proxy/downstream/errors/errors.js'
import { EventLoopDelay } from '../src/telemetry/event-loop-delay.js'

export interface LoadSheddingOptions {
  /** Mean delay of the event loop within a second, in milliseconds, above which requests are shed; 0 for never. */
  maxEventLoopDelay: number
  /** Heap in use, in bytes, above which requests are shed; 0 for never. */
  maxHeapBytes: number
}

/** Time between two checks. */
const CHECK_INTERVAL_MS = 1000

/**
 * Sheds requests when the gateway itself is overloaded. It acts in the scope in which it is registered, the scope of
 * the proxied routes, so the admin API and the routes of the host app are not affected.
 */
export const loadSheddingPlugin = fp<LoadSheddingOptions>(
  async (scope, { maxEventLoopDelay, maxHeapBytes }) => {
    if (maxEventLoopDelay === 0 && maxHeapBytes === 0) return
    const delay = maxEventLoopDelay > 0 ? new EventLoopDelay() : undefined
    scope.addHook('onClose', async () => delay?.stop())
    /** Number of requests that were shed since the last check. */
    let shed = 0
    let isShedding = false
    /** Logs that shedding has begun, or that it has ended because no request was shed between two checks. */
    const logChange = (figures: { shed: number; eventLoopDelay: number; heapUsed: number }) => {
      if (figures.shed > 0 === isShedding) return
      isShedding = !isShedding
      try {
        if (isShedding) scope.log.warn(figures, 'overloaded: requests are answered 503')
        else scope.log.info(figures, 'not overloaded any more')
      } catch (error) {
        // under-pressure treats a check that throws as failed, and would shed requests because of it.
        warn(error)
      }
    }
    await scope.register(underPressure, {
      maxHeapUsedBytes: maxHeapBytes,
      healthCheck: async () => {
        const eventLoopDelay = Math.round(delay?.read() ?? 0)
        const { heapUsed } = process.memoryUsage()
        logChange({ shed, eventLoopDelay, heapUsed })
        shed = 0
        return maxEventLoopDelay === 0 || eventLoopDelay <= maxEventLoopDelay
      },
      healthCheckInterval: CHECK_INTERVAL_MS,
      pressureHandler() {
        shed++
        throw new OverloadedError()
      },
    })
  },
  { name: 'leastwise-load-shedding', fastify: '5.x' },
)
