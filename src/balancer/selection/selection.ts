// Over 200 lines: the choice of a backend and its preview, which must be read side by side.
import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import { UnknownPolicyError } from '../errors.js'
import { decisionKindNumber, decisionKindNumbers } from '../explain/decision.js'
import type { PassiveHealth } from '../health/passive-health.js'
import type { ShareLimits } from '../health/share-limits.js'
import { Lease } from '../leases/lease.js'
import type { LeaseSource, RequestTraits } from '../leases/lease-request.js'
import { keyed, unkeyed } from './affinity/keyed.js'
import { backupFor } from './backup.js'
import { newContext } from './choice-context.js'
import { isPolicyName, newPolicy, policyNames } from './policies/index.js'
import type { PickContext, Policy } from './policies/policy.js'
import { extendedReach } from './reach.js'
import type { SelectionParts } from './selection-parts.js'
import type { SelectionPreview } from './selection-preview.js'
import type { Selector } from './selector.js'
import { type Tier, tiers } from './tier.js'
import { tunnelPolicy } from './tunnel-policy.js'
import { UnusableBackends } from './unusable-backends.js'

/**
 * Chooses a backend for each request: a backend that is due for a probe, else the policy's choice, else a backup. This
 * is the hot path of the core, so it allocates nothing but the lease.
 */
export class Selection implements LeaseSource {
  readonly #parts: SelectionParts
  readonly #registry: Registry
  readonly #ejection: PassiveHealth
  readonly #limits: ShareLimits
  #policy!: Policy
  #selector!: Selector
  #policyIndex = 0
  /** The policy for upgrades where the pool's own depends on load; made for the first upgrade. */
  #tunnelPolicy: Policy | undefined
  /** From 0 to 1: where the tunnel policy starts. Gateways that start together should not begin with the same backend. */
  readonly #start: number
  readonly #unusable = new UnusableBackends()
  /** The context of the present choice. The same object is used for each choice, so that no request allocates one. */
  readonly #context = newContext()

  /** @throws {UnknownPolicyError} */
  constructor(policy: string, parts: SelectionParts) {
    this.#parts = parts
    this.#registry = parts.registry
    this.#ejection = parts.ejection
    this.#limits = parts.limits
    this.use(policy)
    this.#start = parts.random()
  }

  get selector(): Selector {
    return this.#selector
  }

  /** @throws {UnknownPolicyError} */
  use(wanted: string): void {
    if (!isPolicyName(wanted)) throw new UnknownPolicyError(wanted, policyNames)
    if (wanted === this.#selector?.name) return
    this.#policy = keyed(newPolicy(wanted, this.#parts.random, this.#parts.table), this.#parts)
    this.#policyIndex = policyNames.indexOf(wanted)
    this.#selector = {
      name: wanted,
      pick: () => {
        const now = this.#parts.clock.now()
        const backend = this.#pick(this.#policy, now, ANY_REQUEST, false)
        if (backend) this.#charge(this.#policy, backend, now)
        return backend
      },
    }
    this.update(this.#registry.eligible)
  }

  /** Gives requests with a key to their backends from now on, or no longer; {@link update} has to be called after it. */
  useAffinity(affinity: SelectionParts['affinity']): void {
    if (affinity?.overload === this.#parts.affinity?.overload) return
    this.#parts.affinity = affinity
    this.#policy = keyed(unkeyed(this.#policy), this.#parts)
    if (this.#tunnelPolicy) this.#tunnelPolicy = keyed(unkeyed(this.#tunnelPolicy), this.#parts, true)
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

  /** Updates the policies after the `tier` of a backend changed, or its limit within a batch. */
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
    const now = this.#parts.clock.now()
    const { probes } = this.#ejection
    const policy = request.upgrade ? this.#policyForUpgrades() : this.#policy
    for (;;) {
      const probed = probes.anyDue ? probes.next(request) : undefined
      if (probed && !probes.take(probed)) continue
      const picked = probed ? undefined : this.#pick(policy, now, request, canWait)
      const backend = probed ?? picked ?? backupFor(this.#registry, request.except)
      if (!backend) return undefined
      const lease = this.#open(backend, now, picked && policy, picked && this.#context.seen)
      if (!lease) {
        if (probed) probes.giveBack(probed)
        continue
      }
      if (probed) probes.start(lease)
      const kind = decisionKindNumber(request, probed !== undefined, waitingSince)
      this.#log(kind, lease, request, waitingSince)
      return lease
    }
  }

  get hasCandidates(): boolean {
    return this.#registry.hasRoom() || this.#ejection.probes.anyDue || this.#registry.standby.length > 0
  }

  hasOther(except: ReadonlySet<Backend> | undefined): boolean {
    return this.#registry.hasOther(except)
  }

  /**
   * Takes a lease for a hedge. A hedge is never necessary, so only a usable backend without a limit on its share is
   * chosen.
   */
  chooseForHedge(except: ReadonlySet<Backend>, request: RequestTraits): Lease | undefined {
    const { key, home } = request
    const now = this.#parts.clock.now()
    const unusable = this.#unusable.with(except, this.#registry.eligible)
    for (;;) {
      const context: PickContext = { now, except: unusable, key, home, reach: tiers.unlimited }
      const backend = this.#policy.pick(context)
      if (!backend) return undefined
      const lease = this.#open(backend, now, this.#policy, context.seen)
      if (!lease) continue
      this.#log(decisionKindNumbers.hedge, lease, request, undefined)
      return lease
    }
  }

  /** Returns what {@link choose} would do for such a request, and how the backends compare. It changes nothing. */
  preview(request: RequestTraits, canWait: boolean): SelectionPreview {
    const now = this.#parts.clock.now()
    const { except, key, home, pinned } = request
    const probed = this.#ejection.probes.next(request)
    const policy = request.upgrade ? this.#policyForUpgrades() : this.#policy
    let reach: Tier = tiers.withinShare
    let preview = policy.explain({ now, except, key, home, pinned, reach })
    if (!preview.choice && this.#limits.shareUsedCount > 0) {
      reach = this.#extendedReach(except, canWait)
      preview = policy.explain({ now, except, key, home, pinned, reach })
    }
    const choice = probed ?? preview.choice ?? backupFor(this.#registry, except)
    return { choice, isProbe: probed !== undefined, scores: preview.scores, reach }
  }

  #policyForUpgrades(): Policy {
    if (this.#policy.ignoresLoad) return this.#policy
    if (!this.#tunnelPolicy) {
      this.#tunnelPolicy = keyed(tunnelPolicy(this.#start, this.#parts.table), this.#parts, true)
      this.#tunnelPolicy.update(this.#registry.eligible)
    }
    return this.#tunnelPolicy
  }

  #pick(policy: Policy, now: number, request: RequestTraits, canWait: boolean): Backend | undefined {
    const { except, key } = request
    if (this.#parts.failures?.isBehind) this.#parts.failures.catchUp()
    const context = this.#context
    context.now = now
    context.except = except
    context.key = key
    if (key !== undefined) {
      context.home = request.home
      context.pinned = request.pinned
    }
    context.seen = undefined
    context.reach = tiers.withinShare
    let backend = policy.pick(context)
    if (!backend && this.#limits.any && this.#limits.shareUsedCount > 0) {
      context.reach = this.#extendedReach(except, canWait)
      backend = policy.pick(context)
    }
    // The context outlives the request, and must not keep its objects alive.
    if (except) context.except = undefined
    if (key !== undefined) context.key = undefined
    return backend
  }

  /**
   * Opens a lease on a backend.
   * @param policy the policy that chose the backend; undefined for a probe or a backup
   * @param seen see {@link PickContext.seen}
   * @returns undefined if another thread was quicker, so that the choice has to be made again
   */
  #open(
    backend: Backend,
    now: number,
    policy: Policy | undefined,
    seen: number | undefined,
  ): Lease | undefined {
    const inFlight = backend.counter.claim(backend.slots, seen)
    if (inFlight === 0) {
      this.changed(backend)
      // In a batch of changes the policy may not know the latest limit yet, and would choose the backend for ever.
      this.retiered(backend)
      return undefined
    }
    if (policy) this.#charge(policy, backend, now)
    return Lease.open(backend, now, inFlight, this.#parts.leaseObserver)
  }

  #charge(policy: Policy, backend: Backend, now: number): void {
    if (this.#parts.table) policy.counted?.()
    if (this.#limits.any) this.#limits.chosen(backend, now)
  }

  #extendedReach(except: ReadonlySet<Backend> | undefined, canWait: boolean): Tier {
    return extendedReach(this.#registry.eligible.length - this.#limits.shareUsedCount, except, canWait)
  }

  /** Notes a choice, and counts the request for its key. */
  #log(kind: number, lease: Lease, { key, request }: RequestTraits, waitingSince: number | undefined): void {
    const { decisions, affinity, keyCounts } = this.#parts
    if (key !== undefined && affinity) keyCounts.begin(lease, key)
    decisions.add(kind, lease, this.#policyIndex, this.#registry.eligible.length, request, waitingSince)
  }

  readonly #weightOf = ({ weight }: Backend): number => (this.#policy.ignoresWeight ? 1 : weight)
}

const ANY_REQUEST: RequestTraits = {}
