import type { Backend } from './backend.js'
import type { Clock } from './clock.js'
import { type Decisions, kindNumbers } from './decisions.js'
import type { Ejection } from './ejection.js'
import { UnknownPolicyError } from './errors.js'
import type { Lease } from './lease.js'
import { isPolicyName, type PolicyName, policies, policyNames } from './policies/index.js'
import type { Policy, Preview, Standing } from './policies/policy.js'
import type { Demand } from './queue.js'
import type { Registry } from './registry.js'
import type { ShareLimits } from './share-limits.js'

/** The policy in force, as `balancer.selector` shows it. */
export interface Selector {
  readonly name: PolicyName
  /** Whom the policy chooses now. It takes no lease: use `acquire` for a request. */
  pick(): Backend | undefined
}

/** What would become of a request. */
export interface Prospect {
  /** Whether the choice is an ejected backend, that is to be tried with it. */
  trial: boolean
  choice: Backend | undefined
  /** How the eligible backends stand, the best first. */
  standings: readonly Standing[]
  /** Those that have had their part of a fair share. */
  barred: ReadonlySet<Backend>
  /** Those that could not be chosen this time, whether they are full or not. */
  withheld: ReadonlySet<Backend>
}

/** Who gets the next request: a backend that is to be tried, or whom the policy chooses of those that may be chosen. */
export class Selection {
  readonly #registry: Registry
  readonly #ejection: Ejection
  readonly #limits: ShareLimits
  readonly #decisions: Decisions
  readonly #clock: Clock
  readonly #random: () => number
  #policy!: Policy
  #selector!: Selector
  /** Of the policy, among all names. */
  #policyIndex = 0
  /** Of the eligible backends. */
  #totalWeight = 0

  /** @throws {UnknownPolicyError} */
  constructor(
    policy: string,
    registry: Registry,
    ejection: Ejection,
    limits: ShareLimits,
    decisions: Decisions,
    clock: Clock,
    random: () => number,
  ) {
    this.#registry = registry
    this.#ejection = ejection
    this.#limits = limits
    this.#decisions = decisions
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
    this.#policyIndex = policyNames.indexOf(wanted)
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
   * @param since when it began to wait, in monotonic milliseconds, if it had to
   */
  choose(demand: Demand, patient: boolean, since?: number): Lease | undefined {
    const now = this.#clock.now()
    const due = this.#ejection.due(demand)
    const backend = due ?? this.#pick(now, demand.except, patient) ?? this.#backupFor(demand.except)
    if (!backend) return undefined
    const lease = backend.leases.open(backend, now)
    if (due) this.#ejection.try(lease)
    const { trial, retry, choice, queue } = kindNumbers
    const kind = due ? trial : demand.again ? retry : since === undefined ? choice : queue
    this.#note(kind, lease, demand.request, since)
    return lease
  }

  /** Takes a lease that nobody is in need of, and so none on a backend that has less than its whole share. */
  spare(except: ReadonlySet<Backend>, request?: string): Lease | undefined {
    const now = this.#clock.now()
    const { eligible, panicking } = this.#registry
    const isFit = (backend: Backend) => backend.isUsable && this.#limits.shareOf(backend, now) === 1
    const unfit = this.#limits.any || panicking ? new Set(eligible.filter((one) => !isFit(one))) : NOBODY
    const backend = this.#policy.pick(now, union(unfit, except))
    if (!backend) return undefined
    if (this.#limits.any) this.#limits.chosen(backend, now, this.#weightOf, this.#totalWeight)
    const lease = backend.leases.open(backend, now)
    this.#note(kindNumbers.hedge, lease, request, undefined)
    return lease
  }

  /** What {@link choose} would do for such a request, and how all stand. It changes nothing. */
  foresee({ except, repeatable }: Demand, patient: boolean): Prospect {
    const now = this.#clock.now()
    const due = this.#ejection.due({ except, repeatable })
    let barred = NOBODY
    let withheld = except ?? NOBODY
    let preview: Preview = { choice: undefined, standings: [] }
    const find = (not: ReadonlySet<Backend> | undefined) => {
      withheld = not ?? NOBODY
      preview = this.#policy.explain(now, not)
      return preview.choice
    }
    if (this.#limits.any) {
      const limits = this.#limits.copy()
      barred = limits.barred(now, this.#registry.eligible.length)
      this.#findWithin(limits, now, except, patient, find)
    } else {
      find(except)
    }
    const { standings } = preview
    const choice = due ?? preview.choice ?? this.#backupFor(except)
    return { trial: due !== undefined, choice, standings, barred, withheld }
  }

  #pick(now: number, except: ReadonlySet<Backend> | undefined, patient: boolean): Backend | undefined {
    return this.#limits.any ? this.#pickWithin(now, except, patient) : this.#policy.pick(now, except)
  }

  // Apart from the above, which most choices end with: what a closure refers to is put on the heap before anything else.
  #pickWithin(now: number, except: ReadonlySet<Backend> | undefined, patient: boolean): Backend | undefined {
    const pick = (not: ReadonlySet<Backend> | undefined) => this.#policy.pick(now, not)
    const backend = this.#findWithin(this.#limits, now, except, patient, pick)
    if (backend) this.#limits.chosen(backend, now, this.#weightOf, this.#totalWeight)
    return backend
  }

  #findWithin(
    limits: ShareLimits,
    now: number,
    except: ReadonlySet<Backend> | undefined,
    patient: boolean,
    find: (not: ReadonlySet<Backend> | undefined) => Backend | undefined,
  ): Backend | undefined {
    const { eligible } = this.#registry
    const barred = limits.barred(now, eligible.length)
    const backend = find(union(barred, except))
    if (backend || barred.size === 0) return backend
    // One that should rest is better than none, but not always better than to wait for one that is full.
    const full = patient && eligible.some((one) => !barred.has(one) && !except?.has(one))
    const resting = full ? limits.resting(now, this.#registry.inFlight / eligible.length) : NOBODY
    return find(union(resting, except))
  }

  /** The least loaded backup, for a request that has failed on every other backend. */
  #backupFor(except: ReadonlySet<Backend> | undefined): Backend | undefined {
    const { standby, eligible } = this.#registry
    if (!except || standby.length === 0 || eligible.some((backend) => !except.has(backend))) return undefined
    let least: Backend | undefined
    for (const backend of standby) {
      if (backend.isFull || except.has(backend)) continue
      if (!least || backend.load / backend.weight < least.load / least.weight) least = backend
    }
    return least
  }

  #note(kind: number, lease: Lease, request: string | undefined, since: number | undefined): void {
    this.#decisions.add(kind, lease, this.#policyIndex, this.#registry.eligible.length, request, since)
  }

  readonly #weightOf = ({ weight }: Backend): number => (this.#policy.ignoresWeight ? 1 : weight)
}

const NOBODY: ReadonlySet<Backend> = new Set()

function union(one: ReadonlySet<Backend>, other: ReadonlySet<Backend> | undefined): ReadonlySet<Backend> {
  return other ? new Set([...one, ...other]) : one
}
