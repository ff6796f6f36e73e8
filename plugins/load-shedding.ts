import { monitorEventLoopDelay } from 'node:perf_hooks'
import underPressure from '@fastify/under-pressure'
import fp from 'fastify-plugin'
import { warn } from '../src/balancer/observer-guard.js'
import { systemClock } from '../src/balancer/time/clock.js'
import { OverloadedError } from '../src/proxy/downstream/errors/errors.js'

export interface PressureOptions {
  /** Delay of the event loop within a second, in milliseconds, above which requests are shed; 0 for never. */
  maxEventLoopDelay: number
  /** Heap in use, in bytes, above which requests are shed; 0 for never. */
  maxHeapBytes: number
}

/** Milliseconds between two looks. */
const INTERVAL = 1000
/** Milliseconds between two ticks of the clock that delays are measured with. */
const RESOLUTION = 10

/**
 * Sheds load when the gateway itself is overloaded. It sees only the scope it is registered in, which is
 * that of the proxied routes: the admin API and the host app's routes are not shed.
 */
export const pressurePlugin = fp<PressureOptions>(
  async (scope, { maxEventLoopDelay, maxHeapBytes }) => {
    if (maxEventLoopDelay === 0 && maxHeapBytes === 0) return
    const delay = maxEventLoopDelay > 0 ? measureDelay() : undefined
    scope.addHook('onClose', async () => delay?.stop())
    let shed = 0
    let shedding = false
    /** Says when shedding begins, and when nothing was shed for a second. */
    const tell = (figures: { shed: number; eventLoopDelay: number; heapUsed: number }) => {
      if (figures.shed > 0 === shedding) return
      shedding = !shedding
      try {
        if (shedding) scope.log.warn(figures, 'overloaded: requests are answered 503')
        else scope.log.info(figures, 'not overloaded any more')
      } catch (error) {
        // To under-pressure a check that throws is one that fails, and requests would be shed for it.
        warn(error)
      }
    }
    await scope.register(underPressure, {
      maxHeapUsedBytes: maxHeapBytes,
      healthCheck: async () => {
        const eventLoopDelay = Math.round(delay?.take() ?? 0)
        const { heapUsed } = process.memoryUsage()
        tell({ shed, eventLoopDelay, heapUsed })
        shed = 0
        return maxEventLoopDelay === 0 || eventLoopDelay <= maxEventLoopDelay
      },
      healthCheckInterval: INTERVAL,
      pressureHandler() {
        shed++
        throw new OverloadedError()
      },
    })
  },
  { name: 'leastwise-pressure', fastify: '5.x' },
)

/**
 * How long the event loop keeps work waiting. under-pressure's own figure is the mean over the turns of the
 * loop; of a loop that is blocked for a second and a half and has a few quick turns after it, that says 177 ms.
 * What a request meets is the mean over time, in which long turns count by their length:
 * (mean² + deviation²) / mean.
 */
function measureDelay(): { take(): number; stop(): void } {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION })
  histogram.enable()
  // The clock notices a standstill while somebody waits for a time to come.
  const endWaiting = systemClock.after(Number.MAX_SAFE_INTEGER, () => {})
  let stoodStill = systemClock.stoodStill
  let looksToSkip = 0
  return {
    /** Milliseconds, since the last look. */
    take() {
      const { mean, stddev, count } = histogram
      histogram.reset()
      // That the process was stopped is no load, and over. It is in this measurement or in the next one, as either of the
      // two timers may have been the first afterwards.
      systemClock.now()
      if (stoodStill !== systemClock.stoodStill) {
        stoodStill = systemClock.stoodStill
        looksToSkip = 2
      }
      if (looksToSkip > 0) {
        looksToSkip--
        return 0
      }
      // Within a turn that began before it.
      if (count === 0) return 0
      return (mean * mean + stddev * stddev) / mean / 1e6 - RESOLUTION
    },
    stop() {
      histogram.disable()
      endWaiting()
    },
  }
}
