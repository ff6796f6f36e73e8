import { Samples } from './samples.js'

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

/** How long the first byte of an answer was waited for, as the last 1,024 requests saw it. */
export class Latency {
  readonly #samples = new Samples(WINDOW)
  #ewma = 0
  #updatedAt = 0
  /** Kept until the next sample: a thousand idle backends are not sorted anew for each who looks. */
  #summary: LatencySummary | undefined

  /** @param sample milliseconds @param now monotonic milliseconds */
  add(sample: number, now: number): void {
    // An average over irregular intervals: a sample weighs what time has passed since the one before it,
    // and at least as much as one in a window of samples would.
    const gain =
      this.#samples.count === 0 ? 1 : Math.max(1 - Math.exp((this.#updatedAt - now) / TAU), 2 / (WINDOW + 1))
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
