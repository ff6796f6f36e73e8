/**
 * Milliseconds after which a slow response counts for a third; after three times as long it counts for nothing. Short
 * enough that a backend soon has its share again, long enough that one which stays slow is tried rarely.
 */
const DECAY_MS = 5000
/** Differences of less than a millisecond are noise of this process. */
const MIN_ESTIMATE_MS = 1
/** The weight of a sample that is slower than the typical response, in the moving average of these. */
const GAIN = 0.1

/**
 * Estimates how long a backend takes to respond, as a peak-sensitive moving average like finagle's peak EWMA
 * (https://github.com/twitter/finagle/blob/develop/finagle-core/src/main/scala/com/twitter/finagle/loadbalancer/PeakEwma.scala):
 * a slow response counts in full at once, and less and less from then on. The typical response time counts as long as
 * requests are in flight and decays while the backend is idle, so that a backend that was slow is tried again: by one
 * request, and by no second one before that is answered. A response that is late already counts for as long as it has
 * been waited for.
 */
export class ResponseTime {
  /** The slowest of the latest responses, and when it was. */
  #peak = 0
  #peakAt = 0
  /** The typical response time; undefined before the first response. */
  #typical: number | undefined
  #typicalAt = 0

  /** A response took this long. @param sample milliseconds @param now monotonic milliseconds */
  add(sample: number, now: number): void {
    this.#typical =
      this.#typical === undefined || sample < this.#typical
        ? sample
        : this.#typical + GAIN * (sample - this.#typical)
    this.#typicalAt = now
    this.atLeast(sample, now)
  }

  /** A response was waited for this long, and would have taken longer. @param waited milliseconds */
  atLeast(waited: number, now: number): void {
    if (waited < this.#peak * decay(now - this.#peakAt)) return
    this.#peak = waited
    this.#peakAt = now
    if (this.#typical === undefined) {
      this.#typical = waited
      this.#typicalAt = now
    }
  }

  /** Forgets all measurements, because they no longer apply. */
  forget(): void {
    this.#peak = 0
    this.#typical = undefined
  }

  /**
   * The estimate in milliseconds: 0 where nothing is known, so that one request finds out, and infinite until it has.
   * @param now monotonic milliseconds
   * @param awaitedSince when the request was sent whose response is waited for longest; infinite where one is about to
   *   be sent, undefined where none is in flight
   */
  estimate(now: number, awaitedSince: number | undefined): number {
    if (this.#typical === undefined) return awaitedSince === undefined ? 0 : Number.POSITIVE_INFINITY
    const peak = this.#peak * decay(now - this.#peakAt)
    if (awaitedSince === undefined)
      return Math.max(MIN_ESTIMATE_MS, peak, this.#typical * decay(now - this.#typicalAt))
    return Math.max(MIN_ESTIMATE_MS, peak, this.#typical, now - awaitedSince)
  }
}

/** The part of a sample that still counts: like `exp(-age / DECAY_MS)` at first, and nothing after three times DECAY_MS. */
function decay(age: number): number {
  const rest = 1 - age / (3 * DECAY_MS)
  return rest > 0 ? rest * rest * rest : 0
}
