import { inBackground } from './background.js'
import { RunningTime } from './running-time.js'

/** The source of time. It is injected wherever logic depends on time, so that a test or a simulation can control it. */
export interface Clock {
  /** Returns monotonic time in milliseconds, from any origin. */
  now(): number
  /** Returns wall-clock time, for what people read. */
  date(): Date
  /** Calls `callback` once after `delay` milliseconds. Returns a function that cancels the call. */
  after(delay: number, callback: () => void): () => void
}

/** The longest delay that a timer of Node.js accepts. */
export const MAX_TIMER_MS = 2_147_483_647
/** The most by which a timer may fire early. */
const TIMER_EARLY_MS = 1

let running: RunningTime | undefined

/** Returns the running time, which is made at its first use, because making it reads the CPU time. */
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
 * The time for which this process has run: time during which the process was stopped, or the machine slept, does not
 * count. Timers follow the same time, and do not keep the process alive.
 */
export const systemClock: Clock & { readonly stoodStill: number } = {
  now: () => (running ?? runningTime()).now(),
  get stoodStill() {
    return (running ?? runningTime()).stoodStill
  },
  date: () => new Date(),
  // A timer may outlive the request that starts it, and the heartbeat that comes with it serves all timers.
  after: (delay, callback) => inBackground(startTimer, delay, callback),
}

function startTimer(delay: number, callback: () => void): () => void {
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
}
