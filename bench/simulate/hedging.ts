import { RetryBudget } from '../../src/balancer/retry-budget.js'
import type { HedgingOptions } from './scene.js'
import type { Timeline } from './timeline.js'

/** Latencies that a percentile is taken over, and new ones after which it is taken anew. */
const WINDOW = 1024
const STALE = 32
/** Before there are so many, nobody knows what is long. */
const ENOUGH = 100

/** When a gateway sends a request a second time, and how often it may. */
export class Hedging {
  readonly budget: RetryBudget
  readonly #percentile: number
  readonly #recent = new Float64Array(WINDOW)
  #count = 0
  #delay: number | undefined

  constructor({ percentile, budget }: HedgingOptions, timeline: Timeline) {
    this.#percentile = percentile
    this.budget = new RetryBudget(budget, timeline)
  }

  /** Milliseconds after which a request has taken long; undefined while nobody knows. */
  get delay(): number | undefined {
    return this.#delay
  }

  answered(latency: number): void {
    this.#recent[this.#count++ % WINDOW] = latency
    if (this.#count < ENOUGH || this.#count % STALE !== 0) return
    const sorted = this.#recent.slice(0, Math.min(this.#count, WINDOW)).sort()
    this.#delay = sorted[Math.ceil((sorted.length * this.#percentile) / 100) - 1]
  }
}
