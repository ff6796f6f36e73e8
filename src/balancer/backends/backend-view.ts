import type { LatencySummary } from '../stats/latency.js'
import type { AdminState } from './spec.js'

/** `unknown`: not checked yet, and usable. `ejected`: taken out for a while after failures in a row. */
export type Health = 'healthy' | 'unhealthy' | 'ejected' | 'unknown'

/** The result of the active check of a backend. */
export type Verdict = 'healthy' | 'unhealthy' | 'unknown'

/** One active check of a backend. */
export interface CheckResult {
  at: Date
  passed: boolean
  /** The result in words: `status 200`, `timed out`, `ECONNREFUSED`. */
  detail: string
  /** Whether anything was answered. */
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
  /** Requests in flight whose connection was upgraded, such as WebSockets. */
  tunnels: number
  total: number
  failed: number
  latency: LatencySummary
  addedAt: string
  /** Part of its fair share that it may have, from 0 to 1: less than 1 in slow start and after failures. */
  share: number
  /** When it will be tried again, where it is ejected. */
  ejectedUntil: string | null
  lastCheck: { at: string; passed: boolean; detail: string } | null
  /** Whether it is used only where no other backend is usable. */
  backup: boolean
  /** Port and Host of its checks; null for the pool's setting. */
  healthPort: number | null
  healthHost: string | null
  /** Why its name could never be resolved so far, as a code like `ENOTFOUND`; it is not used. Null otherwise. */
  unresolved: string | null
}
