import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import { UnknownPolicyError } from '../errors.js'
import { type DecisionLog, kindNumbers } from '../explain/decision-log.js'
import type { Ejection } from '../health/ejection.js'
import type { ShareLimits } from '../health/share-limits.js'
import { Lease, type LeaseObserver } from '../leases/lease.js'
import type { LeaseSource, RequestTraits } from '../leases/lease-request.js'
import type { Clock } from '../time/clock.js'
import { isPolicyName, type PolicyName, policies, policyNames } from './policies/index.js'
import { LeastConnections } from './policies/least-connections.js'
import type { CandidateScore, PickContext, Policy } from './policies/policy.js'
import { type Tier, tiers } from './tier.js'

/** The policy in force, as `balancer.selector` shows it. */
export interface Selector {
  readonly name: PolicyName
  /** Whom the policy chooses now. It takes no lease: use `acquire` for a request. */
  pick(): Backend | undefined
}

/** What would become of a request. */
export interface SelectionPreview {
  /** Whether the choice is an ejected backend, that is to be tried with it. */
  trial: boolean
  choice: Backend | undefined
  /** How the eligible backends stand, the best first. */
  standings: readonly CandidateScore[]
  /** The last tier whose backends could be chosen this time. */
  reach: Tier
}

/** Who gets the next request: a backend that is to be tried, or whom the policy chooses of those that may be chosen. */
export class Selection implements LeaseSource {
  readonly #registry: Registry
  readonly #ejection: Ejection
  readonly #limits: ShareLimits
  readonly #decisions: DecisionLog
  readonly #clock: Clock
  readonly #random: () => number
  readonly #leaseObserver: LeaseObserver
  #policy!: Policy
  #selector!: Selector
  /** Chooses for upgrades, where the policy heeds load; made with the first of them. */
  #forTunnels: LeastConnections | undefined
  /** From 0 to 1, by which gateways that start together do not all begin with the same backend. */
  readonly #start: number
  /** Of the policy, among all names. */
  #policyIndex = 0
  /** The eligible backends that are not usable, where there are any; and of which set of eligible ones. */
  #unusable: ReadonlySet<Backend> = NOBODY
  #unusableOf: readonly Backend[] | undefined

  /** Used again for each choice, so that a request makes no object for it. */
  readonly #context: { -readonly [K in keyof PickContext]-?: PickContext[K] } = {
    now: 0,
    except: undefined,
    key: undefined,
    reach: tiers.part,
  }

  /** @throws {UnknownPolicyError} */
  constructor(
    policy: string,
    registry: Registry,
    ejection: Ejection,
    limits: ShareLimits,
    decisions: DecisionLog,
    clock: Clock,
    random: () => number,
    leaseObserver: LeaseObserver,
  ) {
    this.#registry = registry
    this.#ejection = ejection
    this.#limits = limits
    this.#decisions = decisions
    this.#clock = clock
    this.#random = random
    this.#leaseObserver = leaseObserver
    this.use(policy)
    this.#start = random()
  }

  get selector(): Selector {
    return this.#selector
  }

  /** @throws {UnknownPolicyError} */
  use(wanted: string): void {
    if (!isPolicyName(wanted)) throw new UnknownPolicyError(wanted, policyNames)
    if (wanted === this.#selector?.name) return
    this.#policy = new policies[wanted].policy(this.#random)
    this.#policyIndex = policyNames.indexOf(wanted)
    this.#selector = {
      name: wanted,
      pick: () => this.#pick(this.#policy, this.#clock.now(), ANY_REQUEST, false),
    }
    this.update(this.#registry.eligible)
  }

  /** The set of backends to choose from changed, or a weight in it. */
  update(eligible: readonly Backend[]): void {
    const total = eligible.reduce((sum, backend) => sum + this.#weightOf(backend), 0)
    this.#limits.update(eligible.length, total, this.#weightOf)
    this.#policy.update(eligible)
    this.#forTunnels?.update(eligible)
  }

  /** The `inFlight` or `load` of a backend changed. */
  changed(backend: Backend): void {
    if (backend.tier !== tiers.whole) this.#limits.changed(backend)
    this.#policy.changed?.(backend)
    this.#forTunnels?.changed(backend)
  }

  /** The `tier` of a backend changed. */
  retiered(backend: Backend): void {
    this.#policy.retiered?.(backend)
    this.#forTunnels?.retiered(backend)
  }

  /**
   * Takes a lease for a request, if there is one to take.
   * @param patient whether it can wait for a better one than those that should rest
   * @param since when it began to wait, in monotonic milliseconds, if it had to
   */
  choose(demand: RequestTraits, patient: boolean, since?: number): Lease | undefined {
    const now = this.#clock.now()
    const due = this.#ejection.nextProbe(demand)
    const policy = demand.upgrade ? this.#policyForTunnels() : this.#policy
    const backend = due ?? this.#pick(policy, now, demand, patient) ?? this.#backupFor(demand.except)
    if (!backend) return undefined
    const lease = Lease.open(backend, now, this.#leaseObserver)
    if (due) this.#ejection.startProbe(lease)
    const { trial, retry, choice, queue } = kindNumbers
    const kind = due ? trial : demand.again ? retry : since === undefined ? choice : queue
    this.#note(kind, lease, demand.request, since)
    return lease
  }

  get hasCandidates(): boolean {
    return this.#registry.hasRoom() || this.#ejection.anyDue || this.#registry.standby.length > 0
  }

  hasOther(except: ReadonlySet<Backend> | undefined): boolean {
    return this.#registry.hasOther(except)
  }

  /** Takes a lease that nobody is in need of, and so none on a backend that has less than its whole share. */
  spare(except: ReadonlySet<Backend>, request?: string): Lease | undefined {
    const now = this.#clock.now()
    const unusable = this.#findUnusable()
    const backend = this.#policy.pick({
      now,
      except: unusable.size > 0 ? union(unusable, except) : except,
      reach: tiers.whole,
    })
    if (!backend) return undefined
    if (this.#limits.any) this.#limits.chosen(backend, now)
    const lease = Lease.open(backend, now, this.#leaseObserver)
    this.#note(kindNumbers.hedge, lease, request, undefined)
    return lease
  }

  /** What {@link choose} would do for such a request, and how all stand. It changes nothing. */
  preview(request: RequestTraits, patient: boolean): SelectionPreview {
    const now = this.#clock.now()
    const { except, key } = request
    const due = this.#ejection.nextProbe(request)
    let reach: Tier = tiers.part
    const policy = request.upgrade ? this.#policyForTunnels() : this.#policy
    let preview = policy.explain({ now, except, key, reach })
    if (!preview.choice && this.#limits.spent > 0) {
      reach = this.#reachInNeed(except, patient)
      preview = policy.explain({ now, except, key, reach })
    }
    const { standings } = preview
    const choice = due ?? preview.choice ?? this.#backupFor(except)
    return { trial: due !== undefined, choice, standings, reach }
  }

  /**
   * A tunnel stays for long, and does not take part in how soon requests are answered. So it goes where fewest are in
   * flight, those that are quiet now included: they may all have something to say one day, and end together.
   */
  #policyForTunnels(): Policy {
    if (this.#policy.ignoresLoad) return this.#policy
    if (!this.#forTunnels) {
      let drawn = this.#start
      // Nothing is drawn from the pool's random numbers: an explanation that makes this must not change a later choice.
      this.#forTunnels = new LeastConnections(() => (drawn = (drawn + GOLDEN_RATIO_PART) % 1), true)
      this.#forTunnels.update(this.#registry.eligible)
    }
    return this.#forTunnels
  }

  #pick(policy: Policy, now: number, { except, key }: RequestTraits, patient: boolean): Backend | undefined {
    const context = this.#context
    context.now = now
    context.except = except
    context.key = key
    context.reach = tiers.part
    let backend = policy.pick(context)
    if (this.#limits.any) {
      if (!backend && this.#limits.spent > 0) {
        context.reach = this.#reachInNeed(except, patient)
        backend = policy.pick(context)
      }
      if (backend) this.#limits.chosen(backend, now)
    }
    // The context outlives the request.
    if (except) context.except = undefined
    if (key !== undefined) context.key = undefined
    return backend
  }

  /** One that should rest is better than none, but not always better than to wait for one that is full. */
  #reachInNeed(except: ReadonlySet<Backend> | undefined, patient: boolean): Tier {
    let others = this.#registry.eligible.length - this.#limits.spent
    if (except) for (const { isEligible, tier } of except) if (isEligible && tier <= tiers.part) others--
    return patient && others > 0 ? tiers.spent : tiers.resting
  }

  /** Where nobody else is left, those that are no more than the lesser evil. */
  #findUnusable(): ReadonlySet<Backend> {
    const { eligible } = this.#registry
    if (this.#unusableOf !== eligible) {
      this.#unusable = new Set(eligible.filter(({ isUsable }) => !isUsable))
      this.#unusableOf = eligible
    }
    return this.#unusable
  }

  /** The least loaded backup, for a request that has failed on every other backend. */
  #backupFor(except: ReadonlySet<Backend> | undefined): Backend | undefined {
    const { standby } = this.#registry
    if (!except || standby.length === 0 || this.#registry.hasEligible(except)) return undefined
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

/** The golden ratio less 1: its multiples modulo 1 are spread evenly (https://en.wikipedia.org/wiki/Low-discrepancy_sequence). */
const GOLDEN_RATIO_PART = 0.618033988749895

const ANY_REQUEST: RequestTraits = {}

const NOBODY: ReadonlySet<Backend> = new Set()

function union(one: ReadonlySet<Backend>, other: ReadonlySet<Backend> | undefined): ReadonlySet<Backend> {
  return other ? new Set([...one, ...other]) : one
}
