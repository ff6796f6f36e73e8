/** The largest difference between the pace of two clocks, in milliseconds for each millisecond. */
const MAX_DRIFT_RATIO = 0.001

/**
 * The time of a store, as far as this process can tell from its answers. It goes on while the process is stopped
 * (SIGSTOP), unlike the time of the process; but while the machine sleeps it stands still until the next answer.
 */
export class StoreTime {
  readonly #monotonic: () => number
  /** The store's time minus monotonic time, in milliseconds. */
  #offset: number
  /** The most by which the offset was wrong when it was measured, and when that was. */
  #error = Number.POSITIVE_INFINITY
  #measuredAt = 0

  /**
   * @param monotonic returns monotonic time in milliseconds, which goes on while the process is stopped
   * @param wallClock the time of this machine in milliseconds since 1970, which counts before the first answer
   */
  constructor(monotonic: () => number, wallClock: number) {
    this.#monotonic = monotonic
    this.#offset = wallClock - monotonic()
  }

  /** Milliseconds since 1970. It may step by as much as a way to the store takes, also back. */
  now(): number {
    return this.#monotonic() + this.#offset
  }

  /** Monotonic time, as {@link answered} wants it. */
  monotonic(): number {
    return this.#monotonic()
  }

  /**
   * Takes an answer of the store. It said its time at some moment between question and answer, so an answer that took
   * long tells less, and does not replace one that tells more, unless the two contradict each other.
   */
  answered(storeTime: number, askedAt: number): void {
    const now = this.#monotonic()
    const error = (now - askedAt) / 2
    const offset = storeTime - (askedAt + now) / 2
    const knownError = this.#error + (now - this.#measuredAt) * MAX_DRIFT_RATIO
    if (error > knownError && Math.abs(offset - this.#offset) <= error + knownError) return
    this.#offset = offset
    this.#error = error
    this.#measuredAt = now
  }
}
