import type { Backend } from '../../backends/backend.js'
import { loadNote } from '../policies/load-note.js'
import type { CandidateScore, PickContext, Policy, Preview } from '../policies/policy.js'
import { tiers } from '../tier.js'
import type { KeyCounts } from './key-counts.js'
import { KeyOrder } from './key-order.js'
import { LoadBound, UNBOUNDED_REQUESTS } from './load-bound.js'

/**
 * Part of its fair share below which a backend counts as failing, and gets no requests of its keys as long as another
 * backend can be chosen. Four failures in a row leave 3 %. Fewer failures move no key, because each move may end a
 * session.
 */
export const FAILING_SHARE = 0.05

export interface KeyedPolicyOptions {
  /** Percent of the mean load past which a backend is passed over; 0 for any load. */
  overload: number
  /** True if tunnels without traffic count in full. */
  countsQuietTunnels: boolean
  /** Number of requests in flight of each key. */
  counts: KeyCounts
  /** Returns the backends that get no requests but those of their keys, because they drain. */
  kept(): readonly Backend[]
  /** Returns the parts of its fair share that slow start and failures allow a backend, each from 0 to 1. */
  factorsOf(backend: Backend, now: number): { slowStartFactor: number; penaltyFactor: number }
}

/**
 * A policy by which requests of one key go to one backend, the first of the key's order; requests without a key go where
 * the policy that it wraps sends them. The next backend of the order is chosen where the first one is full, failed the
 * request before, or fails nearly all requests; and for a busy key where it has more than its bounded load. A key with few
 * requests is not passed over for load: it may be a session, and is not what makes its backend busy.
 *
 * The limits on shares (`Backend.tier`) do not apply to requests with a key: they would send some requests of each key
 * elsewhere, and so end sessions. A backend in slow start is first for a part of its keys instead, and each of the
 * others comes back once, in the course of slow start.
 */
export class KeyedPolicy implements Policy {
  readonly inner: Policy
  readonly #options: KeyedPolicyOptions
  readonly #order: KeyOrder
  readonly #bound: LoadBound
  /** True if the last choice was that of the inner policy. */
  #isInnerChoice = false
  #except: ReadonlySet<Backend> | undefined
  #isStrict = false
  /** True if the backend of the key is not passed over for its load. */
  #isPinned = false
  #now = 0

  constructor(inner: Policy, options: KeyedPolicyOptions) {
    this.inner = inner
    this.#options = options
    this.#order = new KeyOrder((backend, now) => options.factorsOf(backend, now).slowStartFactor)
    this.#bound = new LoadBound(options.overload, options.countsQuietTunnels)
  }

  get ignoresWeight(): boolean {
    return this.inner.ignoresWeight === true
  }

  get ignoresLoad(): boolean {
    return this.inner.ignoresLoad === true
  }

  update(eligible: readonly Backend[]): void {
    this.#order.update([...eligible, ...this.#options.kept()])
    this.inner.update(eligible)
  }

  changed(backend: Backend): void {
    this.inner.changed?.(backend)
  }

  retiered(backend: Backend): void {
    this.inner.retiered?.(backend)
  }

  counted(): void {
    if (this.#isInnerChoice) this.inner.counted?.()
  }

  pick(context: PickContext): Backend | undefined {
    const backend = context.key === undefined ? undefined : this.#find(context)
    this.#isInnerChoice = backend === undefined
    if (!backend) return this.inner.pick(context)
    // The bound is exact over several threads: another one may have given the backend a request just now.
    if (!this.#bound.isBelow(backend)) context.seen = backend.inFlight
    return backend
  }

  explain(context: PickContext): Preview {
    const choice = context.key === undefined ? undefined : this.#find(context)
    if (!choice) return this.inner.explain(context)
    const { now } = context
    const home = this.#homeOf(context)
    this.#bound.measure(this.#order.backends)
    const ordered = this.#order.list(now).map(({ backend }) => backend)
    if (home) ordered.unshift(...ordered.splice(ordered.indexOf(home), 1))
    // A backend that drains gets only the keys that are its own.
    const candidates = ordered.filter((backend, place) => place === 0 || backend.isEligible)
    const scores = candidates.map((backend, place) => this.#scoreOf(backend, place, backend === choice))
    return { choice, scores }
  }

  /** Returns true if the key with this home has its backend, although it may be passed over. */
  hasHome(code: number): boolean {
    return this.#order.withCode(code) !== undefined
  }

  /** Returns the backend for a request with a key; undefined where none can be chosen. */
  #find(context: PickContext): Backend | undefined {
    this.#except = context.except
    this.#now = context.now
    // A hedge is never necessary, so only a backend without a limit gets it.
    this.#isStrict = context.reach === tiers.unlimited
    this.#isPinned = context.pinned === true || !this.#isBusy(context.key as string)
    const home = this.#homeOf(context)
    const backend = home && this.#backendFor(home)
    // The policy outlives the request, and must not keep its objects alive.
    this.#except = undefined
    return backend
  }

  /** Returns the backend of the key, or the next one of the key's order that may be chosen. */
  #backendFor(home: Backend): Backend | undefined {
    const isFree = this.#takes(home)
    if (isFree && (this.#isPinned || this.#bound.isBelow(home)) && !this.#isFailing(home)) return home
    this.#bound.measure(this.#order.backends)
    if (isFree && this.#accepts(home)) return home
    const other = this.#order.first(this.#now, this.#acceptsOther)
    if (other) return other
    return isFree ? home : this.#order.first(this.#now, this.#takesOther)
  }

  /** Returns the backend to which the key belongs, whether or not it can be chosen now. */
  #homeOf({ key, home, now }: PickContext): Backend | undefined {
    this.#order.seek(key as string)
    return (home === undefined ? undefined : this.#order.withCode(home)) ?? this.#order.first(now)
  }

  readonly #acceptsOther = (backend: Backend): boolean => backend.isEligible && this.#accepts(backend)

  readonly #takesOther = (backend: Backend): boolean => backend.isEligible && this.#takes(backend)

  #accepts(backend: Backend): boolean {
    return this.#takes(backend) && this.#bound.allows(backend) && !this.#isFailing(backend)
  }

  /** Returns true if a backend has room for the request, and did not fail it before. */
  #takes(backend: Backend): boolean {
    if (this.#isStrict && backend.tier !== tiers.unlimited) return false
    return !backend.isFull && !this.#except?.has(backend)
  }

  /** Returns true if a key has so many requests that they may be the reason for the load of its backend. */
  #isBusy(key: string): boolean {
    return this.#options.overload > 0 && this.#options.counts.of(key) >= UNBOUNDED_REQUESTS
  }

  #isFailing(backend: Backend): boolean {
    if (backend.tier === tiers.unlimited) return false
    return this.#options.factorsOf(backend, this.#now).penaltyFactor < FAILING_SHARE
  }

  #scoreOf(backend: Backend, place: number, isChosen: boolean): CandidateScore {
    const limit = this.#bound.limitOf(backend)
    const load = this.#bound.loadOf(backend)
    const order = place === 0 ? 'the backend of the key' : `number ${place + 1} in the order of the key`
    let note = order
    if (this.#isFailing(backend)) note = `${order}, passed over as it fails nearly all requests`
    else if (!isChosen && !this.#bound.allows(backend)) {
      const { overload } = this.#options
      note = `${order}, passed over with ${loadNote(load, backend)} requests: ${limit} are ${overload} % of its part`
    }
    return {
      backend,
      score: place,
      probability: isChosen ? 1 : 0,
      parts: Number.isFinite(limit) ? { place, limit } : { place },
      note,
    }
  }
}
