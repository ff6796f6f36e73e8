import { Samples } from './samples.js'

/** Summary of a backend's recent latencies, in milliseconds; zeros before the first sample. */
export interface LatencySummary {
  ewma: number
  p50: number
  p99: number
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
  readonly #samples = new Samples(SAMPLE_COUNT)
  #ewma = 0
  #updatedAt = 0
  /**
   * The cached summary, kept until the next sample, so that the samples of idle backends are not sorted for each
   * reader.
   */
  #summary: LatencySummary | undefined

  /**
   * Adds one time to the first byte.
   * @param sample milliseconds
   * @param now monotonic milliseconds
   */
  add(sample: number, now: number): void {
    // Samples come at irregular intervals, so each weighs as much as the time since the one before it, and at least as
    // much as in an average over SAMPLE_COUNT samples.
    const byTime = 1 - Math.exp((this.#updatedAt - now) / TIME_CONSTANT_MS)
    const gain = this.#samples.count === 0 ? 1 : Math.max(byTime, 2 / (SAMPLE_COUNT + 1))
    this.#ewma += (sample - this.#ewma) * gain
    this.#updatedAt = now
    this.#samples.add(sample)
    this.#summary = undefined
  }

  summary(): LatencySummary {
    this.#summary ??= this.#summarise()
    return this.#summary
  }

  #summarise(): LatencySummary {
    const [p50 = 0, p99 = 0] = this.#samples.percentiles(0.5, 0.99)
    return { ewma: round(this.#ewma), p50: round(p50), p99: round(p99) }
  }
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}
