/**
 * Milliseconds after which a slow answer counts for a third; after three times as long, for nothing. Short
 * enough that a backend is soon given its share again, long enough that one which stays slow is tried rarely.
 */
export const DECAY = 5000
/** Milliseconds. Differences below that are this process's own noise. */
const LEAST = 1
/** How much a sample that is slower than the usual ones moves what is usual. */
const GAIN = 0.1

/**
 * How long a backend is going to take to answer, as a peak-sensitive moving average
 * (https://github.com/twitter/finagle/blob/develop/finagle-core/src/main/scala/com/twitter/finagle/loadbalancer/PeakEwma.scala):
 * a slower answer counts at once, and less and less from then on. What is usual for a backend counts as long as
 * it is used, and is doubted while it is idle, so that one that was slow is tried again: by one request, and by
 * no second one before that was answered. An answer that is late already counts for as long as it is waited for.
 */
export class ResponseTime {
  #peak = 0
  #peakAt = 0
  /** What the fastest of the latest answers took. */
  #usual: number | undefined
  #sampledAt = 0

  /** An answer took so many milliseconds. */
  add(sample: number, now: number): void {
    this.#usual =
      this.#usual === undefined || sample < this.#usual ? sample : this.#usual + GAIN * (sample - this.#usual)
    this.#sampledAt = now
    this.atLeast(sample, now)
  }

  /** An answer would have taken longer than that. */
  atLeast(waited: number, now: number): void {
    if (waited < this.#peak * left(now - this.#peakAt)) return
    this.#peak = waited
    this.#peakAt = now
    if (this.#usual === undefined) {
      this.#usual = waited
      this.#sampledAt = now
    }
  }

  /** Nothing is known any more. */
  forget(): void {
    this.#peak = 0
    this.#usual = undefined
  }

  /**
   * Milliseconds; 0 where nothing is known and one request may find out, infinite until it has.
   * @param awaitedSince when the one was sent whose answer is waited for longest; infinite where one is about to be
   *   sent, undefined where none is under way
   */
  estimate(now: number, awaitedSince: number | undefined): number {
    if (this.#usual === undefined) return awaitedSince === undefined ? 0 : Number.POSITIVE_INFINITY
    const peak = this.#peak * left(now - this.#peakAt)
    if (awaitedSince === undefined) return Math.max(LEAST, peak, this.#usual * left(now - this.#sampledAt))
    return Math.max(LEAST, peak, this.#usual, now - awaitedSince)
  }
}

/** What is left of a sample after a while: as `exp(-age / DECAY)` at first, and nothing after three times DECAY. */
function left(age: number): number {
  const rest = 1 - age / (3 * DECAY)
  return rest > 0 ? rest * rest * rest : 0
}
