import { Samples } from './samples.js'

/** Summary of a backend's recent latencies, in milliseconds; zeros before the first sample. */
export interface LatencySummary {
  ewma: number
  p50: number
  p99: number
}

/** The moving average of a backend's latencies, and when it was updated. Threads that share a pool share these numbers. */
export interface LatencyMeasures {
  ewma: number
  ewmaAt: number
}

/** Number of the latest samples from which percentiles are computed. */
const SAMPLE_COUNT = 1024
/** Milliseconds in which the weight of a sample in the moving average falls to 1/e. */
const TIME_CONSTANT_MS = 10_000

/**
 * The times that a backend took to the first byte of a response, over its last 1,024 requests. They are shown to
 * people, and no choice depends on them.
 */
export class Latency {
  readonly #samples: Pick<Samples, 'add' | 'count' | 'percentiles'>
  readonly #measures: LatencyMeasures
  /**
   * The cached summary, kept until the next sample, so that the samples of idle backends are not sorted for each
   * reader.
   */
  #summary: LatencySummary | undefined
  /** Number of samples when the summary was made. Other threads may have added some since. */
  #summarised = 0

  constructor(
    samples: Pick<Samples, 'add' | 'count' | 'percentiles'> = new Samples(SAMPLE_COUNT),
    measures: LatencyMeasures = { ewma: 0, ewmaAt: 0 },
  ) {
    this.#samples = samples
    this.#measures = measures
  }

  /**
   * Adds one time to the first byte.
   * @param sample milliseconds
   * @param now monotonic milliseconds
   */
  add(sample: number, now: number): void {
    // Samples come at irregular intervals, so each weighs as much as the time since the one before it, and at least as
    // much as in an average over SAMPLE_COUNT samples.
    const byTime = 1 - Math.exp((this.#measures.ewmaAt - now) / TIME_CONSTANT_MS)
    const gain = this.#samples.count === 0 ? 1 : Math.max(byTime, 2 / (SAMPLE_COUNT + 1))
    this.#measures.ewma += (sample - this.#measures.ewma) * gain
    this.#measures.ewmaAt = now
    this.#samples.add(sample)
  }

  summary(): LatencySummary {
    const { count } = this.#samples
    if (!this.#summary || count !== this.#summarised) this.#summary = this.#summarise()
    this.#summarised = count
    return this.#summary
  }

  #summarise(): LatencySummary {
    const [p50 = 0, p99 = 0] = this.#samples.percentiles(0.5, 0.99)
    return { ewma: round(this.#measures.ewma), p50: round(p50), p99: round(p99) }
  }
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}
