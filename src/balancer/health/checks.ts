import type { Backend } from '../backends/backend.js'
import type { CheckResult, Verdict } from '../backends/backend-view.js'
import type { Registry } from '../backends/registry.js'
import type { Clock } from '../time/clock.js'

export interface ChecksOptions {
  /** Milliseconds from the start of a check to the start of the next, plus or minus up to a tenth. */
  interval: number
  /** Number of passed checks in a row that make an unhealthy backend healthy. */
  rise: number
  /** Number of failed checks in a row that make a healthy backend unhealthy. */
  fall: number
}

/**
 * Sends one check to a backend and calls `done` once, with undefined if the check could not be made, which says nothing
 * about the backend.
 * @returns a function that cancels the check, so that `done` is not called
 */
export type SendCheck = (backend: Backend, done: (result: CheckResult | undefined) => void) => () => void

/**
 * The part of the interval by which checks are moved at random, so that gateways that start together do not check
 * together.
 */
const JITTER_PART = 0.1

/**
 * Active health: checks every registered backend at an interval. The first result of a backend decides at once; after
 * that, `rise` passed or `fall` failed checks in a row change its health.
 */
export class Checks {
  readonly #registry: Registry
  readonly #sendCheck: SendCheck
  readonly #options: ChecksOptions
  readonly #clock: Clock
  readonly #random: () => number
  readonly #running = new Map<Backend, BackendChecks>()

  constructor(
    registry: Registry,
    sendCheck: SendCheck,
    options: ChecksOptions,
    clock: Clock,
    random: () => number = Math.random,
  ) {
    this.#registry = registry
    this.#sendCheck = sendCheck
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
    // Another listener of `added` may have removed the backend already.
    if (!this.#registry.holds(backend)) return
    const checks = new BackendChecks(
      backend,
      this.#registry,
      this.#sendCheck,
      this.#options,
      this.#clock,
      this.#random,
    )
    this.#running.set(backend, checks)
    checks.start()
  }

  readonly #end = (backend: Backend): void => {
    this.#running.get(backend)?.stop()
    this.#running.delete(backend)
  }
}

/** The checks of one backend, made one after the other. */
class BackendChecks {
  readonly #backend: Backend
  readonly #registry: Registry
  readonly #sendCheck: SendCheck
  readonly #options: ChecksOptions
  readonly #clock: Clock
  readonly #random: () => number
  /** Number of checks in a row that passed, and that failed; one of the two is 0. */
  #passed = 0
  #failed = 0
  #isStopped = false
  /** Cancels the check that is under way, or the timer of the next one. */
  #cancel: (() => void) | undefined

  constructor(
    backend: Backend,
    registry: Registry,
    sendCheck: SendCheck,
    options: ChecksOptions,
    clock: Clock,
    random: () => number,
  ) {
    this.#backend = backend
    this.#registry = registry
    this.#sendCheck = sendCheck
    this.#options = options
    this.#clock = clock
    this.#random = random
  }

  start(): void {
    // The random delay keeps backends that are added together from all being checked at the same moment.
    this.#checkAfter(this.#random() * this.#options.interval * JITTER_PART)
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }

  #checkAfter(delay: number): void {
    this.#cancel = this.#clock.after(delay, () => this.#check())
  }

  #check(): void {
    const startedAt = this.#clock.now()
    this.#cancel = this.#sendCheck(this.#backend, (result) => {
      if (result) this.#count(result)
      // A listener of the health change may have removed the backend, or stopped the checks.
      if (this.#isStopped) return
      // A check that took longer than the interval is followed by the next one at once; two checks never run side by
      // side.
      const spread = 1 + JITTER_PART * (2 * this.#random() - 1)
      this.#checkAfter(Math.max(0, startedAt + this.#options.interval * spread - this.#clock.now()))
    })
  }

  #count(result: CheckResult): void {
    this.#passed = result.passed ? this.#passed + 1 : 0
    this.#failed = result.passed ? 0 : this.#failed + 1
    const { checked, unproven, id } = this.#backend
    const { rise, fall } = this.#options
    const needed = checked === 'unknown' || unproven ? 1 : result.passed ? rise : fall
    const isDecided = Math.max(this.#passed, this.#failed) >= needed
    const verdict: Verdict = result.passed ? 'healthy' : 'unhealthy'
    this.#registry.setHealth(id, isDecided ? verdict : checked, result)
  }
}
