// Over 200 lines: all that is known of one backend, a field or a getter each.
import type { AnswerTally } from '../health/answer-tally.js'
import { LeaseBook } from '../leases/lease-book.js'
import type { LoadCounter } from '../leases/load-counter.js'
import { type BackendMemory, localBackend } from '../memory.js'
import { type Tier, tiers } from '../selection/tier.js'
import { type BackendTls, noTls } from './backend-tls.js'
import type { BackendView, CheckResult, Health, Verdict } from './backend-view.js'
import type { Origin } from './origin.js'
import type { AdminState, BackendSource, HostHeader } from './spec.js'

/** Tells which part of its fair share of requests a backend may have now. */
export interface ShareSource {
  shareOf(backend: Backend): number
}

/**
 * One upstream server. Its counts last as long as the object: they survive every change of weight, limit, state, health
 * and policy. Only the registry changes a backend.
 */
export class Backend {
  readonly id: string
  /** The origin, as `new URL(url).origin` spells it, or `unix:` and the path of a socket. */
  readonly url: string
  /** `host[:port]` of the origin, as a Host field has it; `localhost` for a Unix socket. */
  readonly host: string
  hostHeader: HostHeader | undefined
  addedAt: Date
  /** The source that registered the backend: the configuration, a call of the API, or the store. */
  source: BackendSource = 'api'
  readonly leases: LeaseBook
  readonly latency: BackendMemory['latency']
  readonly responseTime: BackendMemory['responseTime']
  /** What requests and slow start say about the backend's health. */
  readonly healthMemory: BackendMemory['healthMemory']
  /** The backend's row in the table that threads share; 0 where the pool has one thread. */
  readonly row: number
  weight = 1
  /** True if `maxConnections` was set for this backend, and is not the pool's default. */
  ownLimit = false
  /** True if the backend is a backup, which is used only where no other backend is usable. */
  backup = false
  /** The port and the Host field of the backend's active checks; undefined where the pool's setting applies. */
  healthPort: number | undefined
  healthHost: string | undefined
  /** How connections to the backend use TLS. The object is replaced as a whole when a field changes. */
  tls: BackendTls = noTls
  /** The error code of the name lookup while the backend's name has never been resolved; undefined otherwise. */
  unresolved: string | undefined
  /** True if the backend must pass an active check before it is used, and has not passed one yet. */
  unproven = false
  /**
   * The Host field of the last request that the backend answered well. The forwarder sets this; active checks may send
   * it.
   */
  clientHost: string | undefined
  state: AdminState = 'active'
  /** True while the backend drains and still gets the requests of its keys; see `Departures`. */
  keepsKeys = false
  checked: Verdict = 'unknown'
  lastCheck: CheckResult | undefined
  /** The time at which an ejected backend may be probed; undefined while the backend is not ejected. */
  ejectedUntil: Date | undefined
  /** Number of ejections of this backend so far. */
  ejections = 0
  /** True while the backend is registered. Only the registry sets and reads this; see `Registry.holds`. */
  isRegistered = false
  /** True if requests may be given to the backend now; see `Registry.eligible`. */
  isEligible = false
  /** True if the backend was eligible and not full when `Eligibility` last looked at it. */
  isOpen = false
  /** Counts of the backend's recent answers; see `RefusalOutliers`. */
  answerTally: AnswerTally | undefined
  /** The tier in which the backend is considered for a choice; see `ShareLimits`. */
  tier: Tier = tiers.unlimited
  /** @internal Tells which part of its fair share the backend may have now; undefined for a backend without a pool. */
  shareSource: ShareSource | undefined
  /** @internal */
  readonly counter: LoadCounter
  #maxConnections = Number.POSITIVE_INFINITY
  #leasedSlots = Number.POSITIVE_INFINITY

  constructor(
    id: string,
    { origin, host }: Pick<Origin, 'origin' | 'host'>,
    hostHeader: HostHeader | undefined,
    addedAt: Date,
    { row, counter, latency, responseTime, healthMemory }: BackendMemory = localBackend(),
  ) {
    this.id = id
    this.url = origin
    this.host = host
    this.hostHeader = hostHeader
    this.addedAt = addedAt
    this.row = row
    this.latency = latency
    this.responseTime = responseTime
    this.healthMemory = healthMemory
    this.counter = counter
    this.leases = new LeaseBook(counter)
  }

  /** Number of requests in flight on this backend. */
  get inFlight(): number {
    return this.counter.inFlight
  }

  /**
   * The load that policies compare: requests in flight, some of which count only in part, residual load of hedges, and
   * what the requests of other gateways count.
   */
  get load(): number {
    return this.counter.load
  }

  /** The load where a tunnel without traffic counts like any request. */
  get loadWithTunnels(): number {
    const { inFlight, residual, countedElsewhere } = this.counter
    return inFlight + residual + countedElsewhere
  }

  /** Requests in flight, of which tunnels without traffic count only in part: what other gateways are told. */
  get ownLoad(): number {
    return this.counter.ownLoad
  }

  /**
   * Requests that other gateways have in flight, as they said last: 0 or more, and a fraction while that fades. 0 where
   * no store is shared.
   */
  get inFlightElsewhere(): number {
    return this.counter.inFlightElsewhere
  }

  /** The part of `load` that stands for the requests of other gateways; see `LoadElsewhere`. */
  get countedElsewhere(): number {
    return this.counter.countedElsewhere
  }

  /** Number of requests that a hedge took away and that still count for a while; see `ResidualLoad`. */
  get residualLoad(): number {
    return this.counter.residual
  }

  /** The health of the backend. `unhealthy` by active checks takes precedence over an ejection. */
  get health(): Health {
    if (this.checked === 'unhealthy') return 'unhealthy'
    return this.isEjected ? 'ejected' : this.checked
  }

  get isEjected(): boolean {
    return this.ejectedUntil !== undefined
  }

  /** True unless the backend failed to answer its last active check at all. */
  get answersChecks(): boolean {
    return this.lastCheck?.answered !== false
  }

  /**
   * True if the backend may be given new requests, as far as its state, name and health go; it may still be full, see
   * {@link isFull}.
   */
  get isUsable(): boolean {
    if (this.unresolved !== undefined) return false
    return this.state === 'active' && this.checked !== 'unhealthy' && !this.isEjected
  }

  /**
   * Largest number of requests (not connections) in flight on the backend, from all gateways that share the pool's
   * store; Infinity for no limit.
   */
  get maxConnections(): number {
    return this.#maxConnections
  }

  set maxConnections(limit: number) {
    this.#maxConnections = limit
    this.counter.slots = Math.min(limit, this.#leasedSlots)
  }

  /** The part of `maxConnections` that this gateway has leased; Infinity where no store is shared. */
  set leasedSlots(slots: number) {
    this.#leasedSlots = slots
    this.counter.slots = Math.min(slots, this.#maxConnections)
  }

  /** Largest number of requests in flight from this gateway now: `maxConnections`, or what is leased of it. */
  get slots(): number {
    return this.counter.slots
  }

  get isFull(): boolean {
    return this.counter.inFlight >= this.counter.slots
  }

  /** True if the backend has a limit on its requests in flight, and so can be full. */
  get hasLimit(): boolean {
    return this.#maxConnections !== Number.POSITIVE_INFINITY
  }

  /** Returns true if the backend is not full and its tier is not after `reach`. */
  takes(reach: Tier): boolean {
    return this.tier <= reach && this.counter.inFlight < this.counter.slots
  }

  /**
   * Returns the part of its fair share that the backend may have now, from 0 to 1; less than 1 in slow start and after
   * failures.
   */
  share(): number {
    return this.shareSource?.shareOf(this) ?? 1
  }

  view(): BackendView {
    return {
      id: this.id,
      url: this.url,
      weight: this.weight,
      maxConnections: Number.isFinite(this.maxConnections) ? this.maxConnections : null,
      state: this.state,
      health: this.health,
      inFlight: this.inFlight,
      inFlightElsewhere: Math.round(this.inFlightElsewhere),
      tunnels: this.counter.tunnels,
      total: this.leases.total,
      failed: this.leases.failed,
      latency: this.latency.summary(),
      addedAt: this.addedAt.toISOString(),
      share: Math.round(this.share() * 1000) / 1000,
      ejectedUntil: this.ejectedUntil?.toISOString() ?? null,
      lastCheck: this.lastCheck
        ? {
            at: this.lastCheck.at.toISOString(),
            passed: this.lastCheck.passed,
            detail: this.lastCheck.detail,
          }
        : null,
      backup: this.backup,
      healthPort: this.healthPort ?? null,
      healthHost: this.healthHost ?? null,
      ca: this.tls.ca ?? null,
      cert: this.tls.cert ?? null,
      key: this.tls.key ?? null,
      servername: this.tls.servername ?? null,
      rejectUnauthorized: this.tls.rejectUnauthorized ?? null,
      unresolved: this.unresolved ?? null,
    }
  }
}
