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

/** What the checks of all backends of a pool have in common. */
interface Common {
  registry: Registry
  sendCheck: SendCheck
  options: ChecksOptions
  clock: Clock
  random: () => number
}

/**
 * Active health: checks every registered backend at an interval. The first result of a backend decides at once; after
 * that, `rise` passed or `fall` failed checks in a row change its health.
 */
export class Checks {
  readonly #common: Common
  readonly #running = new Map<Backend, BackendChecks>()

  constructor(
    registry: Registry,
    sendCheck: SendCheck,
    options: ChecksOptions,
    clock: Clock,
    random: () => number = Math.random,
  ) {
    this.#common = { registry, sendCheck, options, clock, random }
  }

  start(): void {
    for (const backend of this.#common.registry.list()) this.#begin(backend)
    this.#common.registry.on('added', this.#begin)
    this.#common.registry.on('removed', this.#end)
  }

  /** Cancels the checks that are under way, and starts no more. */
  stop(): void {
    this.#common.registry.off('added', this.#begin)
    this.#common.registry.off('removed', this.#end)
    for (const backend of this.#running.keys()) this.#end(backend)
  }

  readonly #begin = (backend: Backend): void => {
    // Another listener of `added` may have removed the backend already.
    if (!this.#common.registry.holds(backend)) return
    const checks = new BackendChecks(backend, this.#common)
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
  readonly #common: Common
  /** Number of checks in a row that passed, and that failed; one of the two is 0. */
  #passed = 0
  #failed = 0
  #isStopped = false
  /** Cancels the check that is under way, or the timer of the next one. */
  #cancel: (() => void) | undefined

  constructor(backend: Backend, common: Common) {
    this.#backend = backend
    this.#common = common
  }

  start(): void {
    const { random, options } = this.#common
    // The random delay keeps backends that are added together from all being checked at the same moment.
    this.#checkAfter(random() * options.interval * JITTER_PART)
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }

  #checkAfter(delay: number): void {
    this.#cancel = this.#common.clock.after(delay, () => this.#check())
  }

  #check(): void {
    const { clock, options, random, sendCheck } = this.#common
    const startedAt = clock.now()
    this.#cancel = sendCheck(this.#backend, (result) => {
      if (result) this.#count(result)
      // A listener of the health change may have removed the backend, or stopped the checks.
      if (this.#isStopped) return
      // A check that took longer than the interval is followed by the next one at once; two checks never run side by
      // side.
      const spread = 1 + JITTER_PART * (2 * random() - 1)
      this.#checkAfter(Math.max(0, startedAt + options.interval * spread - clock.now()))
    })
  }

  #count(result: CheckResult): void {
    this.#passed = result.passed ? this.#passed + 1 : 0
    this.#failed = result.passed ? 0 : this.#failed + 1
    const { checked, unproven, id } = this.#backend
    const { registry, options } = this.#common
    const { rise, fall } = options
    const needed = checked === 'unknown' || unproven ? 1 : result.passed ? rise : fall
    const isDecided = Math.max(this.#passed, this.#failed) >= needed
    const verdict: Verdict = result.passed ? 'healthy' : 'unhealthy'
    registry.setHealth(id, isDecided ? verdict : checked, result)
  }
}
