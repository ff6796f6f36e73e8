import { monitorEventLoopDelay } from 'node:perf_hooks'
import { systemClock } from '../balancer/time/clock.js'

/** Time between two ticks of the histogram. */
const RESOLUTION_MS = 10

/**
 * Measures how long the event loop keeps work waiting. @fastify/under-pressure takes the mean over the turns of the
 * loop: for a loop that is blocked for a second and a half and then has a few quick turns, that mean is 177 ms. A
 * request experiences the mean over time, in which long turns count by their length: (mean² + deviation²) / mean.
 */
export class EventLoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  readonly #endWaiting: () => void
  #stoodStill = systemClock.stoodStill
  #readingsToSkip = 0

  constructor() {
    this.#histogram.enable()
    // The clock notices that the process was stopped only while a timer of its own is pending.
    this.#endWaiting = systemClock.after(Number.MAX_SAFE_INTEGER, () => {})
  }

  /** The delay in milliseconds since the last call. */
  read(): number {
    const { mean, stddev, count } = this.#histogram
    this.#histogram.reset()
    // The time for which the process was stopped is no load. It is part of this reading or of the next one, depending on
    // which of the two timers was the first afterwards.
    systemClock.now()
    if (this.#stoodStill !== systemClock.stoodStill) {
      this.#stoodStill = systemClock.stoodStill
      this.#readingsToSkip = 2
    }
    if (this.#readingsToSkip > 0) {
      this.#readingsToSkip--
      return 0
    }
    // The turn of the loop in which the last call was made is not over.
    if (count === 0) return 0
    return (mean * mean + stddev * stddev) / mean / 1e6 - RESOLUTION_MS
  }

  stop(): void {
    this.#histogram.disable()
    this.#endWaiting()
  }
}
