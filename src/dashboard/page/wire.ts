/** What the admin API says, as far as the page reads it. */

export interface Backend {
  id: string
  url: string
  weight: number
  maxConnections: number | null
  state: 'active' | 'draining'
  health: 'healthy' | 'unhealthy' | 'ejected' | 'unknown'
  inFlight: number
  tunnels: number
  total: number
  failed: number
  latency: { p50: number; p99: number }
  /** Part of its fair share that it may have, from 0 to 1. */
  share: number
  ejectedUntil: string | null
  lastCheck: { at: string; passed: boolean; detail: string } | null
  /** Whether it is used only where no other backend is usable. */
  backup: boolean
  /** Why its name could never be resolved so far. */
  unresolved: string | null
}

export interface Pool {
  policy: string
  backends: number
  eligible: number
  panic: boolean
  inFlight: number
  queue: { length: number; limit: number }
  closing: boolean
  /** Since the start. */
  requests: number
  retries: number
  hedges: number
  /** Requests that clients were answered 503 for, by the code of the error. */
  refused: Record<string, number>
}

export interface Snapshot {
  at: string
  pool: Pool
  backends: Backend[]
}

export interface Change {
  at: string
  type:
    | 'added'
    | 'updated'
    | 'draining'
    | 'drained'
    | 'cut'
    | 'activated'
    | 'health'
    | 'removed'
    | 'panic'
    | 'policy'
  backend: Backend | null
  requests?: number
  panic?: boolean
  policy?: string
}

export const POLICIES = [
  ['least-connections', 'the backend with the fewest requests in flight for its weight'],
  ['least-response-time', 'the backend that is going to answer first'],
  ['power-of-two', 'the less loaded of two drawn at random'],
  ['weighted-round-robin', 'each in turn, as often as its weight says'],
  ['round-robin', 'each in turn, whatever its weight and load'],
] as const
