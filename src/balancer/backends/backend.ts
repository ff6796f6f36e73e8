import type { AnswerTally } from '../health/answer-tally.js'
import { LeaseBook } from '../leases/lease-book.js'
import { type LoadCounter, LocalLoadCounter } from '../leases/load-counter.js'
import { type Tier, tiers } from '../selection/tier.js'
import { Latency } from '../stats/latency.js'
import { ResponseTime } from '../stats/response-time.js'
import type { BackendView, CheckResult, Health, Verdict } from './backend-view.js'
import type { AdminState, BackendSource, HostHeader } from './spec.js'

/** Knows which part of its fair share a backend may have now, from 0 to 1. */
export interface ShareSource {
  shareOf(backend: Backend): number
}

/**
 * One upstream server. Its counts belong to its identity: they survive every change of weight, limit, state,
 * health and policy. Only the registry changes one.
 */
export class Backend {
  readonly id: string
  /** The origin, as `new URL(url).origin` spells it. */
  readonly url: string
  /** `host[:port]` of the origin, as a Host field names it. */
  readonly host: string
  hostHeader: HostHeader | undefined
  readonly addedAt: Date
  /** The source that registered the backend. */
  source: BackendSource = 'api'
  readonly leases: LeaseBook
  readonly latency = new Latency()
  readonly responseTime = new ResponseTime()
  weight = 1
  /** Requests (not connections) that it may have in flight; Infinity where there is no limit. */
  maxConnections = Number.POSITIVE_INFINITY
  /** Whether that is its own limit, and not the pool's default. */
  ownLimit = false
  /** Whether it is used only where no other backend is usable. */
  backup = false
  /** Port and Host of its checks; undefined for the pool's setting. */
  healthPort: number | undefined
  healthHost: string | undefined
  /** The error code of the name lookup while its name has never been resolved; undefined otherwise. */
  unresolved: string | undefined
  /** Whether it has to pass an active check before it is used, and has passed none yet. */
  unproven = false
  /** The Host field of the last request that it answered well. The forwarder sets it; active checks may send it. */
  clientHost: string | undefined
  state: AdminState = 'active'
  checked: Verdict = 'unknown'
  lastCheck: CheckResult | undefined
  /** Set while it is ejected: when it may be tried again. */
  ejectedUntil: Date | undefined
  /** How often it was ejected so far. */
  ejections = 0
  /** Whether it is registered, and not removed. Only for the registry, see `Registry.holds`. */
  isRegistered = false
  /** Whether it is one of those that requests are given to now; see `Registry.eligible`. */
  isEligible = false
  /** Whether it is eligible and was not full when it was last looked at. Only for the registry, which counts those. */
  isOpen = false
  /** Requests that a hedge took away, and that still count for a while; see `ResidualLoad`. */
  residualLoad = 0
  /** The weighted tally of the backend's recent answers; see `RefusalOutliers`. */
  answerTally: AnswerTally | undefined
  /** In which order it is considered for a choice; see `ShareLimits`. */
  tier: Tier = tiers.unlimited
  /** @internal Says which part of its fair share it may have now; there is none where it is used without a pool. */
  shareSource: ShareSource | undefined
  readonly #counter: LoadCounter

  constructor(
    id: string,
    origin: URL,
    hostHeader: HostHeader | undefined,
    addedAt: Date,
    counter: LoadCounter = new LocalLoadCounter(),
  ) {
    this.id = id
    this.url = origin.origin
    this.host = origin.host
    this.hostHeader = hostHeader
    this.addedAt = addedAt
    this.#counter = counter
    this.leases = new LeaseBook(counter)
  }

  /** Requests that this backend works on now. */
  get inFlight(): number {
    return this.#counter.inFlight
  }

  /** The load that policies compare. */
  get load(): number {
    return this.#counter.load + this.residualLoad
  }

  /** The health of the backend. The result of active checks takes precedence over an ejection. */
  get health(): Health {
    if (this.checked === 'unhealthy') return 'unhealthy'
    return this.isEjected ? 'ejected' : this.checked
  }

  get isEjected(): boolean {
    return this.ejectedUntil !== undefined
  }

  /** Whether it answered its last check with anything at all. */
  get answersChecks(): boolean {
    return this.lastCheck?.answered !== false
  }

  /** Whether new requests may go to it, unless {@link isFull}. */
  get isUsable(): boolean {
    if (this.unresolved !== undefined) return false
    return this.state === 'active' && this.checked !== 'unhealthy' && !this.isEjected
  }

  get isFull(): boolean {
    return this.#counter.inFlight >= this.maxConnections
  }

  /** Whether it can ever be full. */
  get hasLimit(): boolean {
    return this.maxConnections !== Number.POSITIVE_INFINITY
  }

  /** Whether it can take a request that may go to backends up to this tier. */
  takes(reach: Tier): boolean {
    return this.tier <= reach && this.#counter.inFlight < this.maxConnections
  }

  /** The part of its fair share that it may have now, from 0 to 1: less than 1 in slow start and after failures. */
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
      tunnels: this.#counter.tunnels,
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
      unresolved: this.unresolved ?? null,
    }
  }
}
