/** Milliseconds between two calls of the timer that asks for the time. */
const BEAT_INTERVAL_MS = 250
/** Milliseconds without anybody asking for the time after which the process may have been stopped. */
const STANDSTILL_MS = 1000
/** Milliseconds of CPU time that a process that was stopped may have used just before and just after. */
const STOPPED_CPU_MS = 25
/** Part of the time, from 0 to 1, that a process whose loop is blocked spends on the CPU at least. */
const BLOCKED_CPU_PART = 0.05

/** Where the time comes from; all in milliseconds. */
export interface TimeSource {
  /** Monotonic. */
  now(): number
  /** That the process has used. */
  cpuTime(): number
  /** Calls back again and again, until it is cancelled. */
  every(interval: number, callback: () => void): () => void
}

/**
 * The time for which this process has run. While it is stopped, or the machine sleeps, nothing that is waited for can
 * arrive: deadlines that would all have passed when it goes on are not kept for what is no fault of a backend's, and
 * nobody has waited for longer because of it than he would have anyhow.
 *
 * A loop that is blocked asks for no time either. It uses the processor, and its time counts.
 */
export class RunningTime {
  readonly #source: TimeSource
  /** How many wait for a time to come. */
  #waiting = 0
  #stopBeat: (() => void) | undefined
  /** When somebody asked for the time last. */
  #askedAt: number
  #beatAt: number
  /** CPU time at the last beat. */
  #usedAtBeat: number
  #stoodStill = 0

  constructor(source: TimeSource) {
    this.#source = source
    this.#askedAt = source.now()
    this.#beatAt = this.#askedAt
    this.#usedAtBeat = source.cpuTime()
  }

  /**
   * Somebody waits for a time to come. Only then a standstill matters, and can be told from a process that has nothing
   * to do.
   */
  waits(): void {
    if (this.#waiting++ > 0) return
    this.#beat()
    this.#stopBeat = this.#source.every(BEAT_INTERVAL_MS, () => this.#beat())
  }

  /** Ends one {@link waits}. */
  waited(): void {
    if (--this.#waiting > 0) return
    this.#stopBeat?.()
    this.#stopBeat = undefined
  }

  now(): number {
    const now = this.#source.now()
    if (now - this.#askedAt >= STANDSTILL_MS && this.#stopBeat) this.#wake(now)
    this.#askedAt = now
    // Mostly the very number that was read: a difference would be one more on the heap.
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
    if (used < STOPPED_CPU_MS + BLOCKED_CPU_PART * silence) this.#stoodStill += silence
  }
}
