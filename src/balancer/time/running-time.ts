/** Interval in which a timer asks for the time while any timer of this clock is pending. */
const BEAT_INTERVAL_MS = 250
/** After this long without a call that asks for the time, the process may have been stopped. */
const STANDSTILL_MS = 1000
/** CPU time that a process which was stopped may have used just before and just after. */
const STOPPED_CPU_MS = 25
/** Smallest part of the time, from 0 to 1, that a process with a blocked event loop spends on the CPU. */
const BLOCKED_CPU_RATIO = 0.05

/** The clocks of the operating system, and a repeating timer; all in milliseconds. */
export interface TimeSource {
  /** Returns monotonic time. */
  now(): number
  /** Returns the CPU time that the process has used. */
  cpuTime(): number
  /** Calls back at this interval. Returns a function that ends the calls. */
  every(interval: number, callback: () => void): () => void
}

/**
 * The time for which this process has run. While the process is stopped (SIGSTOP), or the machine sleeps, no response
 * can arrive, which is no fault of a backend: with plain monotonic time, all deadlines would have passed at once when
 * the process goes on.
 *
 * A process with a blocked event loop does not ask for the time either. But it uses the CPU, so it can be told from a
 * stopped process, and its time counts.
 */
export class RunningTime {
  readonly #source: TimeSource
  /** Number of pending timers that follow this time. */
  #timers = 0
  #stopBeat: (() => void) | undefined
  /** Monotonic milliseconds at which the time was last asked for. */
  #askedAt: number
  #beatAt: number
  /** CPU time of the process at the last heartbeat. */
  #usedAtBeat: number
  #stoodStill = 0

  constructor(source: TimeSource) {
    this.#source = source
    this.#askedAt = source.now()
    this.#beatAt = this.#askedAt
    this.#usedAtBeat = source.cpuTime()
  }

  /**
   * Registers a timer that follows this time. Only while there is one, the time is asked for regularly, so that a
   * standstill can be told from a process that has nothing to do.
   */
  timerStarted(): void {
    if (this.#timers++ > 0) return
    this.#beat()
    this.#stopBeat = this.#source.every(BEAT_INTERVAL_MS, () => this.#beat())
  }

  /** Ends a timer that {@link timerStarted} registered. */
  timerEnded(): void {
    if (--this.#timers > 0) return
    this.#stopBeat?.()
    this.#stopBeat = undefined
  }

  now(): number {
    const now = this.#source.now()
    if (now - this.#askedAt >= STANDSTILL_MS && this.#stopBeat) this.#wake(now)
    this.#askedAt = now
    // Mostly this is the very number that was read, because a difference would be a new number on the heap.
    return this.#stoodStill === 0 ? now : now - this.#stoodStill
  }

  /**
   * Milliseconds for which the process has stood still so far, as of the last {@link now}. A standstill of less than a
   * second is not counted.
   */
  get stoodStill(): number {
    return this.#stoodStill
  }

  #beat(): void {
    this.now()
    this.#beatAt = this.#askedAt
    this.#usedAtBeat = this.#source.cpuTime()
  }

  #wake(now: number): void {
    const silence = now - this.#askedAt
    // The CPU time that may have been used between the last heartbeat and the last call is subtracted.
    const used = this.#source.cpuTime() - this.#usedAtBeat - (this.#askedAt - this.#beatAt)
    if (used < STOPPED_CPU_MS + BLOCKED_CPU_RATIO * silence) this.#stoodStill += silence
  }
}
