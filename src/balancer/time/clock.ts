import { RunningTime } from './running-time.js'

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

/** The longest time that a timer of Node's takes. */
export const MAX_TIMER_MS = 2_147_483_647
/** How early a timer may fire. */
const TIMER_EARLY_MS = 1

let running: RunningTime | undefined

/** Made when it is used for the first time, as it asks for CPU time. */
function runningTime(): RunningTime {
  running ??= new RunningTime({
    now: () => performance.now(),
    cpuTime() {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1000
    },
    every(interval, callback) {
      const timer = setInterval(callback, interval).unref()
      return () => clearInterval(timer)
    },
  })
  return running
}

/**
 * The time for which this process has run: time during which it was stopped, or the machine slept, does not count.
 * Timers go by the same, and do not keep the process alive.
 */
export const systemClock: Clock & { readonly stoodStill: number } = {
  now: () => (running ?? runningTime()).now(),
  get stoodStill() {
    return (running ?? runningTime()).stoodStill
  },
  date: () => new Date(),
  after(delay, callback) {
    const time = running ?? runningTime()
    time.timerStarted()
    const due = time.now() + delay
    let timer: NodeJS.Timeout | undefined
    const look = () => {
      const left = due - time.now()
      if (left > TIMER_EARLY_MS) return start(left)
      end()
      callback()
    }
    const start = (left: number) => {
      timer = setTimeout(look, Math.min(left, MAX_TIMER_MS)).unref()
    }
    const end = () => {
      if (!timer) return
      clearTimeout(timer)
      timer = undefined
      time.timerEnded()
    }
    start(delay)
    return end
  },
}
