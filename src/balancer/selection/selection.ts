// Over 200 lines: the choice of a backend and its preview, which must be read side by side.
import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import { UnknownPolicyError } from '../errors.js'
import { type DecisionLog, decisionKindNumbers } from '../explain/decision-log.js'
import type { Ejection } from '../health/ejection.js'
import type { ShareLimits } from '../health/share-limits.js'
import { Lease, type LeaseObserver } from '../leases/lease.js'
import type { LeaseSource, RequestTraits } from '../leases/lease-request.js'
import type { Clock } from '../time/clock.js'
import { leastLoadedBackup } from './backup.js'
import { isPolicyName, type PolicyName, policies, policyNames } from './policies/index.js'
import type { PickContext, Policy } from './policies/policy.js'
import type { SelectionPreview } from './selection-preview.js'
import { type Tier, tiers } from './tier.js'
import { tunnelPolicy } from './tunnel-policy.js'

/** The policy in force, as `balancer.selector` shows it. */
export interface Selector {
  readonly name: PolicyName
  /** Returns the backend that the policy chooses now. It takes no lease: use `acquire` for a request. */
  pick(): Backend | undefined
}

/**
 * Chooses a backend for each request: a backend that is due for a probe, else the policy's choice, else a backup. This
 * is the hot path of the core, so it allocates nothing but the lease.
 */
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
  /** The index of the policy in `policyNames`. */
  #policyIndex = 0
  /** The policy for upgrades in a pool whose own policy depends on load; made for the first upgrade. */
  #tunnelPolicy: Policy | undefined
  /**
   * A random number from 0 to 1 at which the tunnel policy starts: gateways that start together should not all begin
   * with the same backend.
   */
  readonly #start: number
  /** The eligible backends that are not usable, cached for the set of eligible backends in `#unusableOf`. */
  #unusable: ReadonlySet<Backend> = new Set()
  #unusableOf: readonly Backend[] | undefined
  /** The context of the present choice. The same object is used for each choice, so that no request allocates one. */
  readonly #context: { -readonly [K in keyof PickContext]-?: PickContext[K] } = {
    now: 0,
    except: undefined,
    key: undefined,
    reach: tiers.withinShare,
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

  /** Switches the policy. @throws {UnknownPolicyError} */
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

  /** Takes over a new set of eligible backends, or a changed weight in it. */
  update(eligible: readonly Backend[]): void {
    const totalWeight = eligible.reduce((sum, backend) => sum + this.#weightOf(backend), 0)
    this.#limits.update(eligible.length, totalWeight, this.#weightOf)
    this.#policy.update(eligible)
    this.#tunnelPolicy?.update(eligible)
  }

  /** Updates the policies and limits after the `inFlight` or `load` of a backend changed. */
  changed(backend: Backend): void {
    if (backend.tier !== tiers.unlimited) this.#limits.changed(backend)
    this.#policy.changed?.(backend)
    this.#tunnelPolicy?.changed?.(backend)
  }

  /** Updates the policies after the `tier` of a backend changed. */
  retiered(backend: Backend): void {
    this.#policy.retiered?.(backend)
    this.#tunnelPolicy?.retiered?.(backend)
  }

  /**
   * Takes a lease for a request; undefined where no backend can be chosen.
   * @param canWait true if the request can wait for a better backend than those that cool down
   * @param waitingSince monotonic milliseconds at which the request began to wait; undefined if it did not wait
   */
  choose(request: RequestTraits, canWait: boolean, waitingSince?: number): Lease | undefined {
    const now = this.#clock.now()
    const { probes } = this.#ejection
    const probed = probes.anyDue ? probes.next(request) : undefined
    const policy = request.upgrade ? this.#policyForUpgrades() : this.#policy
    const backend = probed ?? this.#pick(policy, now, request, canWait) ?? this.#backupFor(request.except)
    if (!backend) return undefined
    const lease = Lease.open(backend, now, this.#leaseObserver)
    if (probed) probes.start(lease)
    let kind: number = decisionKindNumbers.choice
    if (probed) kind = decisionKindNumbers.trial
    else if (request.again) kind = decisionKindNumbers.retry
    else if (waitingSince !== undefined) kind = decisionKindNumbers.queue
    this.#log(kind, lease, request.request, waitingSince)
    return lease
  }

  get hasCandidates(): boolean {
    const { probes } = this.#ejection
    return this.#registry.hasRoom() || probes.anyDue || this.#registry.standby.length > 0
  }

  hasOther(except: ReadonlySet<Backend> | undefined): boolean {
    return this.#registry.hasOther(except)
  }

  /**
   * Takes a lease for a hedge. A hedge is never necessary, so only a usable backend without a limit on its share is
   * chosen.
   */
  chooseForHedge(except: ReadonlySet<Backend>, request?: string): Lease | undefined {
    const now = this.#clock.now()
    const unusable = this.#unusableBackends()
    const backend = this.#policy.pick({
      now,
      except: unusable.size > 0 ? new Set([...unusable, ...except]) : except,
      reach: tiers.unlimited,
    })
    if (!backend) return undefined
    if (this.#limits.any) this.#limits.chosen(backend, now)
    const lease = Lease.open(backend, now, this.#leaseObserver)
    this.#log(decisionKindNumbers.hedge, lease, request, undefined)
    return lease
  }

  /** Returns what {@link choose} would do for such a request, and how the backends compare. It changes nothing. */
  preview(request: RequestTraits, canWait: boolean): SelectionPreview {
    const now = this.#clock.now()
    const { except, key } = request
    const probed = this.#ejection.probes.next(request)
    const policy = request.upgrade ? this.#policyForUpgrades() : this.#policy
    let reach: Tier = tiers.withinShare
    let preview = policy.explain({ now, except, key, reach })
    if (!preview.choice && this.#limits.shareUsedCount > 0) {
      reach = this.#extendedReach(except, canWait)
      preview = policy.explain({ now, except, key, reach })
    }
    const choice = probed ?? preview.choice ?? this.#backupFor(except)
    return { choice, isProbe: probed !== undefined, scores: preview.scores, reach }
  }

  #policyForUpgrades(): Policy {
    if (this.#policy.ignoresLoad) return this.#policy
    if (!this.#tunnelPolicy) {
      this.#tunnelPolicy = tunnelPolicy(this.#start)
      this.#tunnelPolicy.update(this.#registry.eligible)
    }
    return this.#tunnelPolicy
  }

  #pick(policy: Policy, now: number, { except, key }: RequestTraits, canWait: boolean): Backend | undefined {
    const context = this.#context
    context.now = now
    context.except = except
    context.key = key
    context.reach = tiers.withinShare
    let backend = policy.pick(context)
    if (this.#limits.any) {
      if (!backend && this.#limits.shareUsedCount > 0) {
        context.reach = this.#extendedReach(except, canWait)
        backend = policy.pick(context)
      }
      if (backend) this.#limits.chosen(backend, now)
    }
    // The context outlives the request, and must not keep its objects alive.
    if (except) context.except = undefined
    if (key !== undefined) context.key = undefined
    return backend
  }

  /** Returns the last tier to choose from, where no backend within its share can be chosen. */
  #extendedReach(except: ReadonlySet<Backend> | undefined, canWait: boolean): Tier {
    // A request waits only if a backend within its share is full, because that one may soon have room.
    let withinShare = this.#registry.eligible.length - this.#limits.shareUsedCount
    if (except)
      for (const { isEligible, tier } of except) if (isEligible && tier <= tiers.withinShare) withinShare--
    return canWait && withinShare > 0 ? tiers.shareUsed : tiers.coolingDown
  }

  /** Returns the backends that are eligible only because too few others are usable. */
  #unusableBackends(): ReadonlySet<Backend> {
    const { eligible } = this.#registry
    if (this.#unusableOf !== eligible) {
      this.#unusable = new Set(eligible.filter(({ isUsable }) => !isUsable))
      this.#unusableOf = eligible
    }
    return this.#unusable
  }

  /** Returns a backup for a request that has failed on every other backend; undefined for other requests. */
  #backupFor(except: ReadonlySet<Backend> | undefined): Backend | undefined {
    const { standby } = this.#registry
    if (!except || standby.length === 0 || this.#registry.hasEligible(except)) return undefined
    return leastLoadedBackup(standby, except)
  }

  #log(kind: number, lease: Lease, request: string | undefined, waitingSince: number | undefined): void {
    this.#decisions.add(kind, lease, this.#policyIndex, this.#registry.eligible.length, request, waitingSince)
  }

  readonly #weightOf = ({ weight }: Backend): number => (this.#policy.ignoresWeight ? 1 : weight)
}

const ANY_REQUEST: RequestTraits = {}
