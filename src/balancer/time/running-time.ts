/** Interval in which a timer asks for the time while any timer of this clock is pending. */
const BEAT_INTERVAL_MS = 250
/** After this long without a call that asks for the time, the process may have been stopped. */
const STANDSTILL_MS = 1000
/** CPU time that a stopped process may have used just before it was stopped, and just after. */
const STOPPED_CPU_MS = 25
/** Part of the time, from 0 to 1, that a process with a blocked event loop spends on the CPU at least. */
const BLOCKED_CPU_RATIO = 0.05

/** The clocks of the operating system, and a timer; all in milliseconds. */
export interface TimeSource {
  /** Monotonic. */
  now(): number
  /** CPU time that the process has used. */
  cpuTime(): number
  /** Calls back again and again, until it is cancelled. */
  every(interval: number, callback: () => void): () => void
}

/**
 * The time for which this process has run. While it is stopped (SIGSTOP), or the machine sleeps, no response can arrive,
 * and that is no fault of a backend: without this, all deadlines would have passed at once when the process goes on.
 *
 * A process with a blocked event loop does not ask for the time either. It uses the CPU, though, so that it can be told
 * from one that is stopped, and its time counts.
 */
export class RunningTime {
  readonly #source: TimeSource
  /** How many timers there are that go by this time. */
  #timers = 0
  #stopBeat: (() => void) | undefined
  /** When the time was asked for last. */
  #askedAt: number
  #beatAt: number
  /** CPU time at the last heartbeat. */
  #usedAtBeat: number
  #stoodStill = 0

  constructor(source: TimeSource) {
    this.#source = source
    this.#askedAt = source.now()
    this.#beatAt = this.#askedAt
    this.#usedAtBeat = source.cpuTime()
  }

  /**
   * A timer begins that goes by this time. Only while there is one, the time is asked for regularly, so that a standstill
   * can be told from a process that has nothing to do.
   */
  timerStarted(): void {
    if (this.#timers++ > 0) return
    this.#beat()
    this.#stopBeat = this.#source.every(BEAT_INTERVAL_MS, () => this.#beat())
  }

  /** A timer ends that {@link timerStarted} announced. */
  timerEnded(): void {
    if (--this.#timers > 0) return
    this.#stopBeat?.()
    this.#stopBeat = undefined
  }

  now(): number {
    const now = this.#source.now()
    if (now - this.#askedAt >= STANDSTILL_MS && this.#stopBeat) this.#wake(now)
    this.#askedAt = now
    // Mostly the number that was read, as a difference would be a new number on the heap.
    return this.#stoodStill === 0 ? now : now - this.#stoodStill
  }

  /** Milliseconds for which the process has not run so far, as of the last {@link now}. Less than a second at a time is not counted. */
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
    // CPU time that may have been used before the last call is left out.
    const used = this.#source.cpuTime() - this.#usedAtBeat - (this.#askedAt - this.#beatAt)
    if (used < STOPPED_CPU_MS + BLOCKED_CPU_RATIO * silence) this.#stoodStill += silence
  }
}
