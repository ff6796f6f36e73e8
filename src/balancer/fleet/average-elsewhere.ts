import type { Backend } from '../backends/backend.js'
import { LOAD_STEPS } from '../leases/load-counter.js'

/** Shortest time constant of the averages. */
const MIN_TIME_CONSTANT_MS = 1000
/** What each gateway adds to the time constant. */
const TIME_CONSTANT_PER_GATEWAY_MS = 600
/**
 * Largest number of requests that count for a backend. Policies keep a list for each step of the load, so a mistaken number
 * must not make them run out of memory.
 */
const MAX_TOTAL = 65_536
/** An average that is so near to its total is made equal to it. */
const TOLERANCE = 1 / (4 * LOAD_STEPS)

interface Average {
  /** What other gateways have on the backend, as they said last. */
  total: number
  /** The exponential average of that. */
  mean: number
  /** The weight of the backend when it was last seen; 0 while it could not be chosen. */
  weight: number
  /** A random number in [0, 1) by which this gateway differs from the others. */
  readonly lean: number
}

/**
 * Makes of what other gateways have on each backend what counts in its load. What was heard last is old: if each gateway
 * went by that, all of them would run to the backend that looked idle a moment ago, until they hear of each other again
 * (Mitzenmacher, "How Useful Is Old Information?", 2000, https://doi.org/10.1109/71.824633). So an average over time
 * counts, which tells what lasts, such as a backend that is slow. All gateways make up for the same difference, so the
 * more there are, the longer the average takes.
 *
 * They also see about the same averages. So that not all of them choose the same backend, each adds a number of its own
 * to each backend, from nothing to one request for each of the backend's weight. Where the others have less than that,
 * the number is smaller in proportion, so that at low load nothing counts and backends take turns.
 */
export class AverageElsewhere {
  readonly #random: () => number
  readonly #averages = new Map<Backend, Average>()
  /** Monotonic milliseconds up to which the averages are computed. */
  #at: number
  #timeConstantMs = MIN_TIME_CONSTANT_MS

  /** @param now monotonic milliseconds */
  constructor(random: () => number, now: number) {
    this.#random = random
    this.#at = now
  }

  /** True if no average is on its way to its total. */
  get isSettled(): boolean {
    for (const { total, mean } of this.#averages.values()) if (total !== mean) return false
    return true
  }

  /** Takes the number of other gateways. */
  setGateways(others: number): void {
    this.#timeConstantMs = Math.max(MIN_TIME_CONSTANT_MS, (others + 1) * TIME_CONSTANT_PER_GATEWAY_MS)
  }

  /** Takes what other gateways have on a backend from now on. */
  setTotal(backend: Backend, total: number): void {
    this.#of(backend).total = Math.min(total, MAX_TOTAL)
  }

  /** Computes all averages up to a time. */
  advance(now: number): void {
    const part = 1 - Math.exp((this.#at - now) / this.#timeConstantMs)
    this.#at = now
    for (const average of this.#averages.values()) {
      average.mean += part * (average.total - average.mean)
      if (Math.abs(average.total - average.mean) < TOLERANCE) average.mean = average.total
    }
  }

  /**
   * Takes over the backends that can be chosen. One that could not be chosen before, or has another weight, begins with
   * the mean of the others for its weight: its own number is from a time when nobody chose it, and would draw all
   * gateways to it at once.
   */
  choosable(eligible: readonly Backend[]): void {
    let sum = 0
    let weight = 0
    for (const backend of eligible) {
      const average = this.#averages.get(backend)
      if (average?.weight !== backend.weight) continue
      sum += average.mean
      weight += backend.weight
    }
    const remaining = new Set(eligible)
    for (const [backend, average] of this.#averages) {
      if (!backend.isRegistered) this.#averages.delete(backend)
      else if (!remaining.has(backend)) average.weight = 0
    }
    for (const backend of eligible) {
      const average = this.#of(backend)
      if (average.weight === backend.weight) continue
      average.weight = backend.weight
      if (weight > 0) average.mean = (sum / weight) * backend.weight
    }
  }

  /** Calls back with what counts in the load of each backend, rounded down to a step in which loads are compared. */
  each(callback: (backend: Backend, counted: number) => void): void {
    const scale = Math.min(1, this.#totalPerWeight())
    for (const [backend, { mean, weight, lean }] of this.#averages) {
      callback(backend, Math.floor((mean + lean * weight * scale) * LOAD_STEPS) / LOAD_STEPS)
    }
  }

  /** Returns what other gateways have on the backends that can be chosen, for each of the backends' weight. */
  #totalPerWeight(): number {
    let sum = 0
    let weights = 0
    for (const { total, weight } of this.#averages.values()) {
      if (weight === 0) continue
      sum += total
      weights += weight
    }
    return weights === 0 ? 0 : sum / weights
  }

  #of(backend: Backend): Average {
    let average = this.#averages.get(backend)
    if (!average) {
      average = { total: 0, mean: 0, weight: 0, lean: this.#random() }
      this.#averages.set(backend, average)
    }
    return average
  }
}
