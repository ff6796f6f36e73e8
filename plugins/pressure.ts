import underPressure from '@fastify/under-pressure'
import fp from 'fastify-plugin'
import { OverloadedError } from './errors.js'

export interface PressureOptions {
  /** Mean delay of the event loop within a second, in milliseconds, above which requests are shed; 0 for never. */
  maxEventLoopDelay: number
  /** Heap in use, in bytes, above which requests are shed; 0 for never. */
  maxHeapBytes: number
}

/**
 * Sheds load when the gateway itself is overloaded. It sees only the scope it is registered in, which is
 * that of the proxied routes: the admin API and the host app's routes are not shed.
 */
export const pressurePlugin = fp<PressureOptions>(
  async (scope, { maxEventLoopDelay, maxHeapBytes }) => {
    if (maxEventLoopDelay === 0 && maxHeapBytes === 0) return
    await scope.register(underPressure, {
      maxEventLoopDelay,
      maxHeapUsedBytes: maxHeapBytes,
      pressureHandler(_request, _reply, type, value) {
        // No delay was measured since the sample before, which happens when the whole process was off the
        // CPU. under-pressure takes that for an endless delay, and would shed for a second.
        if (type === underPressure.TYPE_EVENT_LOOP_DELAY && value === Number.POSITIVE_INFINITY) return
        throw new OverloadedError()
      },
    })
  },
  { name: 'leastwise-pressure', fastify: '5.x' },
)
