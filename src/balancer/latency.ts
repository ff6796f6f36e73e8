/** What a backend's recent latencies amount to, in milliseconds; zeros before the first sample. */
export interface LatencySummary {
  ewma: number
  p50: number
  p99: number
}

/** Percentiles are taken over this many of the latest samples. */
const WINDOW = 1024
/** Time constant of the moving average, in milliseconds. */
const TAU = 10_000

/**
 * How long the first byte of an answer was waited for, as the last 1,024 requests saw it. Adding a sample is one write;
 * the sorting is left to whoever asks for percentiles.
 */
export class Latency {
  #samples = new Float64Array(16)
  #count = 0
  #ewma = 0
  #updatedAt = 0
  /** Kept until the next sample: a thousand idle backends are not sorted anew for each who looks. */
  #summary: LatencySummary | undefined

  /** @param sample milliseconds @param now monotonic milliseconds */
  add(sample: number, now: number): void {
    // Most backends of a large pool see few requests: the window grows with use.
    if (this.#count === this.#samples.length && this.#count < WINDOW) {
      const larger = new Float64Array(Math.min(WINDOW, this.#count * 4))
      larger.set(this.#samples)
      this.#samples = larger
    }
    // An average over irregular intervals: a sample weighs what time has passed since the one before it,
    // and at least as much as one in a window of samples would.
    const gain =
      this.#count === 0 ? 1 : Math.max(1 - Math.exp((this.#updatedAt - now) / TAU), 2 / (WINDOW + 1))
    this.#ewma += (sample - this.#ewma) * gain
    this.#updatedAt = now
    this.#samples[this.#count++ % this.#samples.length] = sample
    this.#summary = undefined
  }

  summary(): LatencySummary {
    this.#summary ??= this.#summarise()
    return this.#summary
  }

  #summarise(): LatencySummary {
    const sorted = this.#samples.slice(0, Math.min(this.#count, this.#samples.length)).sort()
    const percentile = (p: number) => sorted[Math.max(0, Math.ceil(sorted.length * p) - 1)] ?? 0
    return { ewma: round(this.#ewma), p50: round(percentile(0.5)), p99: round(percentile(0.99)) }
  }
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}
