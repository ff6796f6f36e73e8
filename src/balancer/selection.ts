import type { Backend } from './backend.js'
import type { Clock } from './clock.js'
import type { Ejection } from './ejection.js'
import { UnknownPolicyError } from './errors.js'
import type { Lease } from './lease.js'
import { isPolicyName, type PolicyName, policies, policyNames } from './policies/index.js'
import type { Policy } from './policies/policy.js'
import type { Demand } from './queue.js'
import type { Registry } from './registry.js'
import type { ShareLimits } from './share-limits.js'

/** The policy in force, as `balancer.selector` shows it. */
export interface Selector {
  readonly name: PolicyName
  /** Whom the policy chooses now. It takes no lease: use `acquire` for a request. */
  pick(): Backend | undefined
}

/** Who gets the next request: a backend that is to be tried, or whom the policy chooses of those that may be chosen. */
export class Selection {
  readonly #registry: Registry
  readonly #ejection: Ejection
  readonly #limits: ShareLimits
  readonly #clock: Clock
  readonly #random: () => number
  #policy!: Policy
  #selector!: Selector
  /** Of the eligible backends. */
  #totalWeight = 0

  /** @throws {UnknownPolicyError} */
  constructor(
    policy: string,
    registry: Registry,
    ejection: Ejection,
    limits: ShareLimits,
    clock: Clock,
    random: () => number,
  ) {
    this.#registry = registry
    this.#ejection = ejection
    this.#limits = limits
    this.#clock = clock
    this.#random = random
    this.use(policy)
  }

  get selector(): Selector {
    return this.#selector
  }

  /** @throws {UnknownPolicyError} */
  use(wanted: string): void {
    if (!isPolicyName(wanted)) throw new UnknownPolicyError(wanted, policyNames)
    if (wanted === this.#selector?.name) return
    this.#policy = new policies[wanted](this.#random)
    this.#selector = { name: wanted, pick: () => this.#pick(this.#clock.now(), undefined, false) }
    this.update(this.#registry.eligible)
  }

  /** The set of backends to choose from changed, or a weight in it. */
  update(eligible: readonly Backend[]): void {
    this.#policy.update(eligible)
    this.#totalWeight = eligible.reduce((sum, backend) => sum + this.#weightOf(backend), 0)
  }

  /** The `inFlight` or `load` of a backend changed. */
  changed(backend: Backend): void {
    this.#policy.changed?.(backend)
  }

  /**
   * Takes a lease for a request, if there is one to take.
   * @param patient whether it can wait for a better one than those that should rest
   */
  choose(demand: Demand, patient: boolean): Lease | undefined {
    const now = this.#clock.now()
    const due = this.#ejection.due(demand)
    if (due) {
      const trial = due.leases.open(due, now)
      this.#ejection.try(trial)
      return trial
    }
    const backend = this.#pick(now, demand.except, patient)
    return backend?.leases.open(backend, now)
  }

  /** Takes a lease that nobody is in need of, and so none on a backend that has less than its whole share. */
  spare(except: ReadonlySet<Backend>): Lease | undefined {
    const now = this.#clock.now()
    const { eligible, panicking } = this.#registry
    const isFit = (backend: Backend) => backend.isUsable && this.#limits.shareOf(backend, now) === 1
    const unfit = this.#limits.any || panicking ? new Set(eligible.filter((one) => !isFit(one))) : NOBODY
    const backend = this.#policy.pick(now, union(unfit, except))
    if (!backend) return undefined
    if (this.#limits.any) this.#limits.chosen(backend, now, this.#weightOf, this.#totalWeight)
    return backend.leases.open(backend, now)
  }

  #pick(now: number, except: ReadonlySet<Backend> | undefined, patient: boolean): Backend | undefined {
    if (!this.#limits.any) return this.#policy.pick(now, except)
    const { eligible } = this.#registry
    const barred = this.#limits.barred(now, eligible.length)
    let backend = this.#policy.pick(now, union(barred, except))
    if (!backend && barred.size > 0) {
      // One that should rest is better than none, but not always better than to wait for one that is full.
      const full = patient && eligible.some((one) => !barred.has(one) && !except?.has(one))
      const resting = full ? this.#limits.resting(now, this.#registry.inFlight / eligible.length) : NOBODY
      backend = this.#policy.pick(now, union(resting, except))
    }
    if (backend) this.#limits.chosen(backend, now, this.#weightOf, this.#totalWeight)
    return backend
  }

  readonly #weightOf = ({ weight }: Backend): number => (this.#policy.ignoresWeight ? 1 : weight)
}

const NOBODY: ReadonlySet<Backend> = new Set()

function union(one: ReadonlySet<Backend>, other: ReadonlySet<Backend> | undefined): ReadonlySet<Backend> {
  return other ? new Set([...one, ...other]) : one
}
