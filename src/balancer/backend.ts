import { InvalidBackendError } from './errors.js'
import { Latency, type LatencySummary } from './latency.js'
import { LeaseBook } from './lease.js'

/** `draining`: gets no new request, finishes those it has. */
export type AdminState = 'active' | 'draining'

/** `unknown`: not checked yet, and usable. `ejected`: taken out for a while after failures in a row. */
export type Health = 'healthy' | 'unhealthy' | 'ejected' | 'unknown'

/** What the active check says of a backend. */
export type Verdict = 'healthy' | 'unhealthy' | 'unknown'

/** One active check of a backend. */
export interface CheckResult {
  at: Date
  passed: boolean
  /** What was answered, or why nothing was: `status 200`, `timed out`, `ECONNREFUSED`. */
  detail: string
  /** Whether anything was answered. */
  answered: boolean
}

/** Which Host a backend sees: the client's, or its own address. */
export type HostHeader = 'client' | 'backend'

/** What can be said of a backend that is to be registered. */
export interface BackendSpec {
  /** `http://host:port` or `https://host:port`, without credentials, path, query or fragment. */
  url: string
  /** Unique in the pool, 1 to 64 of `A-Z a-z 0-9 . _ ~ -`; made from the address where it is left out. */
  id?: string | undefined
  /** Share relative to the other backends, a whole number from 1 to 1,000; 1 by default. */
  weight?: number | undefined
  /** Requests in flight it may hold; null or 0 for no limit. */
  maxConnections?: number | null | undefined
  /** Overrides the pool's setting. */
  hostHeader?: HostHeader | undefined
}

/** What can be changed of a registered backend. */
export type BackendPatch = Pick<BackendSpec, 'weight' | 'maxConnections'>

/** A backend as the admin API shows it. */
export interface BackendView {
  id: string
  url: string
  weight: number
  maxConnections: number | null
  state: AdminState
  health: Health
  inFlight: number
  total: number
  failed: number
  latency: LatencySummary
  addedAt: string
  /** Part of its fair share that it may have, from 0 to 1: less than 1 in slow start and after failures. */
  share: number
  /** When it will be tried again, where it is ejected. */
  ejectedUntil: string | null
  lastCheck: { at: string; passed: boolean; detail: string } | null
}

export const MAX_WEIGHT = 1000
export const MAX_CONNECTIONS = 1_000_000
const ID_PATTERN = /^[A-Za-z0-9._~-]{1,64}$/

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
  readonly hostHeader: HostHeader | undefined
  readonly addedAt: Date
  readonly leases = new LeaseBook()
  readonly latency = new Latency()
  weight = 1
  /** Infinity where there is no limit. */
  maxConnections = Number.POSITIVE_INFINITY
  state: AdminState = 'active'
  checked: Verdict = 'unknown'
  lastCheck: CheckResult | undefined
  /** Set while it is ejected: when it may be tried again. */
  ejectedUntil: Date | undefined
  /** Whether it is one of those that requests are given to now; see `Registry.eligible`. */
  isEligible = false
  /** Says which part of its fair share it may have now; the pool knows. */
  share = () => 1

  constructor(id: string, origin: URL, hostHeader: HostHeader | undefined, addedAt: Date) {
    this.id = id
    this.url = origin.origin
    this.host = origin.host
    this.hostHeader = hostHeader
    this.addedAt = addedAt
  }

  /** Requests that this backend works on now. */
  get inFlight(): number {
    return this.leases.inFlight
  }

  /** What checks found goes before what requests did. */
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

  /** Whether a new request may go to it; what {@link isFull} says comes on top. */
  get isUsable(): boolean {
    return this.state === 'active' && this.checked !== 'unhealthy' && !this.isEjected
  }

  get isFull(): boolean {
    return this.leases.inFlight >= this.maxConnections
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
    }
  }
}

/**
 * Reads a backend's URL.
 * @throws {InvalidBackendError} for anything but scheme, host and port. WHATWG URL parsing forgives a lot
 * (blanks, backslashes, a missing slash); what it would silently mend is refused instead.
 */
export function parseOrigin(text: string): URL {
  const refuse = (why: string) => new InvalidBackendError('url', why)
  if (typeof text !== 'string' || !/^https?:\/\//i.test(text))
    throw refuse('must start with http:// or https://')
  const rest = text.slice(text.indexOf('//') + 2)
  if (rest.includes('@')) throw refuse('must not have credentials')
  if (rest.includes('?')) throw refuse('must not have a query')
  if (rest.includes('#')) throw refuse('must not have a fragment')
  if (/[^/]*\/./.test(rest)) throw refuse('must not have a path')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\s\\\u0000-\u001f\u007f]/.test(rest)) throw refuse('must be scheme://host:port')
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw refuse('must be scheme://host:port')
  }
  if (url.port === '0') throw refuse('must not have port 0')
  return url
}

/** @throws {InvalidBackendError} */
export function checkId(id: string): string {
  if (typeof id !== 'string' || !ID_PATTERN.test(id) || id === '.' || id === '..') {
    throw new InvalidBackendError('id', 'must be 1 to 64 of A-Z a-z 0-9 . _ ~ -')
  }
  return id
}

/** @throws {InvalidBackendError} */
export function checkHostHeader(hostHeader: HostHeader | undefined): HostHeader | undefined {
  if (hostHeader !== undefined && hostHeader !== 'client' && hostHeader !== 'backend') {
    throw new InvalidBackendError('hostHeader', 'must be "client" or "backend"')
  }
  return hostHeader
}

/** @throws {InvalidBackendError} */
export function checkWeight(weight: number): number {
  if (!Number.isInteger(weight) || weight < 1 || weight > MAX_WEIGHT) {
    throw new InvalidBackendError('weight', `must be a whole number from 1 to ${MAX_WEIGHT}`)
  }
  return weight
}

/** Returns Infinity for "no limit". @throws {InvalidBackendError} */
export function checkMaxConnections(limit: number | null): number {
  if (limit === null || limit === 0) return Number.POSITIVE_INFINITY
  if (!Number.isInteger(limit) || limit < 0 || limit > MAX_CONNECTIONS) {
    throw new InvalidBackendError(
      'maxConnections',
      `must be a whole number from 1 to ${MAX_CONNECTIONS}, or 0 or null for no limit`,
    )
  }
  return limit
}
