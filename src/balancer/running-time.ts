/** Milliseconds between two beats: the time is asked for at least so often. */
const BEAT = 250
/** Milliseconds for which nobody asked for the time, from which on the process may not have run. */
const STANDSTILL = 1000
/** CPU time within these may be that of a process that did not run: some just before, and some just after. */
const LEAST_WORK = 25
/** What a process that ran, but did not get to asking for the time, uses of it at least. */
const WORK = 0.05

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
    this.#stopBeat = this.#source.every(BEAT, () => this.#beat())
  }

  /** One of those waits no more. */
  waited(): void {
    if (--this.#waiting > 0) return
    this.#stopBeat?.()
    this.#stopBeat = undefined
  }

  now(): number {
    const now = this.#source.now()
    if (now - this.#askedAt >= STANDSTILL && this.#stopBeat) this.#wake(now)
    this.#askedAt = now
    // Mostly the very number that was read: a difference would be one more on the heap.
    return this.#stoodStill === 0 ? now : now - this.#stoodStill
  }

  /** Milliseconds for which the process had not run when somebody asked for the time last. Moments are left out. */
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
    // What was used before somebody asked last is no part of it.
    const used = this.#source.cpuTime() - this.#usedAtBeat - (this.#askedAt - this.#beatAt)
    if (used < LEAST_WORK + WORK * silence) this.#stoodStill += silence
  }
}
