import type { LatencySummary } from '../stats/latency.js'
import type { AdminState } from './spec.js'

/**
 * The health of a backend. `unknown`: it was not checked yet, and is usable. `ejected`: it gets no requests for a
 * while, after failures in a row.
 */
export type Health = 'healthy' | 'unhealthy' | 'ejected' | 'unknown'

/** The health of a backend as far as active checks know it. */
export type Verdict = 'healthy' | 'unhealthy' | 'unknown'

/** The result of one active check of a backend. */
export interface CheckResult {
  at: Date
  passed: boolean
  /** The result in words, such as `status 200`, `timed out` or `ECONNREFUSED`. */
  detail: string
  /** True if the backend answered at all, with whatever status. */
  answered: boolean
}

/** A backend as the admin API shows it. */
export interface BackendView {
  id: string
  url: string
  weight: number
  maxConnections: number | null
  state: AdminState
  health: Health
  inFlight: number
  /** Number of requests that other gateways have in flight, as they said last; 0 where no store is shared. */
  inFlightElsewhere: number
  /** Number of requests in flight whose connection was upgraded, as for WebSockets. */
  tunnels: number
  total: number
  failed: number
  latency: LatencySummary
  addedAt: string
  /**
   * The part of its fair share of requests that the backend may have now, from 0 to 1; less than 1 in slow start and
   * after failures.
   */
  share: number
  /** The time, in ISO 8601, at which an ejected backend may be probed; null for a backend that is not ejected. */
  ejectedUntil: string | null
  lastCheck: { at: string; passed: boolean; detail: string } | null
  /** True if the backend is a backup, which is used only where no other backend is usable. */
  backup: boolean
  /** The port and the Host field of the backend's active checks; null where the pool's setting applies. */
  healthPort: number | null
  healthHost: string | null
  /** Paths of the PEM files for TLS with the backend; null where the pool's setting applies. */
  ca: string | null
  cert: string | null
  key: string | null
  /** The host name that the backend's certificate has to be valid for; null where the pool's setting applies. */
  servername: string | null
  /** False if the backend's certificate is not checked; null where the pool's setting applies. */
  rejectUnauthorized: boolean | null
  /**
   * The error code of the name lookup, like `ENOTFOUND`, while the backend's name has never been resolved, so that the
   * backend is not used; null otherwise.
   */
  unresolved: string | null
}
