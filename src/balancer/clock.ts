/**
 * The passing of time, injected wherever logic depends on it, so that it can be driven by a test or by a
 * simulation.
 */
export interface Clock {
  /** Monotonic time in milliseconds, from any origin. */
  now(): number
  /** Wall-clock time, for what people read. */
  date(): Date
  /** Calls `callback` once after `delay` milliseconds; the returned function cancels it. */
  after(delay: number, callback: () => void): () => void
}

/** The time of this process. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  after(delay, callback) {
    const timer = setTimeout(callback, delay)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
