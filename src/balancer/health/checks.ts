import type { Backend, CheckResult, Verdict } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import type { Clock } from '../time/clock.js'

export interface ChecksOptions {
  /** Milliseconds from the start of a check to the start of the next, give or take a tenth. */
  interval: number
  /** Passed checks in a row that make an unhealthy backend healthy. */
  rise: number
  /** Failed checks in a row that make a healthy backend unhealthy. */
  fall: number
}

/**
 * Checks a backend once and calls `done` once: with undefined where the check could not be made, which says nothing about
 * the backend.
 * @returns cancels the check, so that `done` is not called
 */
export type Probe = (backend: Backend, done: (result: CheckResult | undefined) => void) => () => void

/** The part of the interval by which checks are moved at random, so that gateways that started together do not check together. */
const JITTER_PART = 0.1

/**
 * Active health: checks every registered backend at an interval. The first result of a backend decides at once; after
 * that it takes `rise` passed or `fall` failed checks in a row to change its health.
 */
export class Checks {
  readonly #registry: Registry
  readonly #probe: Probe
  readonly #options: ChecksOptions
  readonly #clock: Clock
  readonly #random: () => number
  readonly #running = new Map<Backend, BackendChecks>()

  constructor(
    registry: Registry,
    probe: Probe,
    options: ChecksOptions,
    clock: Clock,
    random: () => number = Math.random,
  ) {
    this.#registry = registry
    this.#probe = probe
    this.#options = options
    this.#clock = clock
    this.#random = random
  }

  start(): void {
    for (const backend of this.#registry.list()) this.#begin(backend)
    this.#registry.on('added', this.#begin)
    this.#registry.on('removed', this.#end)
  }

  /** Cancels the checks that are under way, and starts no more. */
  stop(): void {
    this.#registry.off('added', this.#begin)
    this.#registry.off('removed', this.#end)
    for (const backend of this.#running.keys()) this.#end(backend)
  }

  readonly #begin = (backend: Backend): void => {
    // Another listener of `added` may have removed it already.
    if (!this.#registry.holds(backend)) return
    const { interval, rise, fall } = this.#options
    let cancel = () => {}
    const own = { cancel: () => cancel() }
    let passed = 0
    let failed = 0
    const check = () => {
      const startedAt = this.#clock.now()
      cancel = this.#probe(backend, (result) => {
        if (result) {
          passed = result.passed ? passed + 1 : 0
          failed = result.passed ? 0 : failed + 1
          const needed = backend.checked === 'unknown' || backend.unproven ? 1 : result.passed ? rise : fall
          const verdict: Verdict = result.passed ? 'healthy' : 'unhealthy'
          this.#registry.setHealth(
            backend.id,
            Math.max(passed, failed) >= needed ? verdict : backend.checked,
            result,
          )
        }
        // A listener of the change may have removed the backend, or stopped the checks.
        if (this.#running.get(backend) !== own) return
        // A check that took longer than the interval is followed by the next at once; two never run side by side.
        const spread = 1 + JITTER_PART * (2 * this.#random() - 1)
        cancel = this.#clock.after(Math.max(0, startedAt + interval * spread - this.#clock.now()), check)
      })
    }
    this.#running.set(backend, own)
    // Backends that are added together are not all checked in the same moment.
    cancel = this.#clock.after(this.#random() * interval * JITTER_PART, check)
  }

  readonly #end = (backend: Backend): void => {
    this.#running.get(backend)?.cancel()
    this.#running.delete(backend)
  }
}

interface BackendChecks {
  cancel(): void
}
