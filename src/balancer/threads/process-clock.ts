import { type Clock, systemClock } from '../time/clock.js'

/** Milliseconds between the origin of this thread's clock and that of the system, which is the same for all threads. */
const originMs = Number(process.hrtime.bigint()) / 1e6 - performance.now()

/**
 * The system's clock with one origin for all threads of the process, so that they can compare times. Its timers are
 * those of the thread.
 */
export const processClock: Clock = {
  now: () => systemClock.now() + originMs,
  date: () => systemClock.date(),
  after: (delay, callback) => systemClock.after(delay, callback),
}
