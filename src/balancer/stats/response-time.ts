/**
 * Time after which a slow response counts for about a third; after three times as long, it counts for nothing. The time
 * is short enough for a backend to get its share back soon, and long enough for one that stays slow to be tried rarely.
 */
const DECAY_MS = 5000
/** Smallest estimate: differences of less than a millisecond are noise of this process. */
const MIN_ESTIMATE_MS = 1
/** The weight, in the moving average of the typical response time, of a sample that is slower than the average. */
const GAIN = 0.1

/** What is measured of a backend's responses. Threads that share a pool share these numbers. */
export interface ResponseMeasures {
  /** The time that the slowest recent response took, in milliseconds, and when it came, in monotonic milliseconds. */
  peak: number
  peakAt: number
  /** The typical response time in milliseconds; 0 before the first response. */
  typical: number
  typicalAt: number
}

/**
 * Estimates how long a backend takes to respond, as a peak-sensitive moving average like finagle's peak EWMA
 * (https://github.com/twitter/finagle/blob/develop/finagle-core/src/main/scala/com/twitter/finagle/loadbalancer/PeakEwma.scala):
 * a slow response counts in full at once, and less and less from then on. The typical response time counts in full
 * while requests are in flight, and decays while the backend is idle, so that a backend that was slow is tried again by
 * a single request, and by no other before that one is answered. A response that is late already counts for the time it
 * has been awaited.
 */
export class ResponseTime {
  readonly #measures: ResponseMeasures

  constructor(measures: ResponseMeasures = { peak: 0, peakAt: 0, typical: 0, typicalAt: 0 }) {
    this.#measures = measures
  }

  /**
   * Records the time that a response took.
   * @param sample milliseconds
   * @param now monotonic milliseconds
   */
  add(sample: number, now: number): void {
    const measures = this.#measures
    const { typical } = measures
    const isFirst = typical === 0
    // 0 would mean that there was no response.
    measures.typical =
      isFirst || sample < typical ? sample || Number.MIN_VALUE : typical + GAIN * (sample - typical)
    measures.typicalAt = now
    this.atLeast(sample, now)
  }

  /**
   * Records a lower bound: a response did not come within this time.
   * @param waited milliseconds
   * @param now monotonic milliseconds
   */
  atLeast(waited: number, now: number): void {
    const measures = this.#measures
    if (waited < measures.peak * decay(now - measures.peakAt)) return
    measures.peak = waited
    measures.peakAt = now
    if (measures.typical === 0) {
      measures.typical = waited || Number.MIN_VALUE
      measures.typicalAt = now
    }
  }

  /** Forgets all measurements, because they no longer apply. */
  forget(): void {
    this.#measures.peak = 0
    this.#measures.typical = 0
  }

  /**
   * Returns the estimated response time in milliseconds: 0 where nothing is known, so that one request is sent to find
   * out, and Infinity until that one is answered.
   * @param now monotonic milliseconds
   * @param awaitedSince monotonic milliseconds at which the longest wait for a response began; Infinity if a request is
   *   about to be sent, undefined if none is in flight
   */
  estimate(now: number, awaitedSince: number | undefined): number {
    const { typical, typicalAt, peakAt } = this.#measures
    if (typical === 0) return awaitedSince === undefined ? 0 : Number.POSITIVE_INFINITY
    const peak = this.#measures.peak * decay(now - peakAt)
    if (awaitedSince === undefined) return Math.max(MIN_ESTIMATE_MS, peak, typical * decay(now - typicalAt))
    return Math.max(MIN_ESTIMATE_MS, peak, typical, now - awaitedSince)
  }
}

/**
 * Returns the part of a sample of this age that still counts: about `exp(-age / DECAY_MS)` at first, and 0 from three
 * times DECAY_MS on.
 */
function decay(age: number): number {
  const rest = 1 - age / (3 * DECAY_MS)
  return rest > 0 ? rest * rest * rest : 0
}
