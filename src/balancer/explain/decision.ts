import type { RequestTraits } from '../leases/lease-request.js'
import type { Cause } from '../leases/outcome.js'
import type { PolicyName } from '../selection/policies/index.js'

/**
 * The reason for the choice of a backend. `choice`: for a request that just came. `trial`: to probe an ejected backend.
 * `retry`: for a request that failed on another backend. `hedge`: for the second attempt of a request that another
 * backend is slow to answer. `queue`: for a request that had waited in the queue.
 */
export type DecisionKind = keyof typeof decisionKindNumbers

/** The number by which each kind is stored. */
export const decisionKindNumbers = { choice: 0, trial: 1, retry: 2, hedge: 3, queue: 4 } as const

/**
 * Returns the number of a decision's kind.
 * @param isProbe true if the request probes an ejected backend
 * @param waitingSince when the request began to wait; undefined if it did not wait
 */
export function decisionKindNumber(
  { again }: RequestTraits,
  isProbe: boolean,
  waitingSince: number | undefined,
): number {
  if (isProbe) return decisionKindNumbers.trial
  if (again) return decisionKindNumbers.retry
  return waitingSince === undefined ? decisionKindNumbers.choice : decisionKindNumbers.queue
}

export const decisionKinds = Object.keys(decisionKindNumbers) as DecisionKind[]

/** One choice of a backend for a request. */
export interface Decision {
  at: string
  /** Id of the request; null where the lease was requested without one. */
  request: string | null
  policy: PolicyName
  /** Id of the backend. */
  backend: string
  /** Number of requests in flight on the backend at that time, this one included. */
  inFlight: number
  /** Number of requests that other gateways had in flight on the backend, as they said last. */
  inFlightElsewhere: number
  /**
   * The load that policies compare: `inFlight`, plus requests that a hedge took away and what those of other gateways
   * count, less tunnels without traffic.
   */
  load: number
  kind: DecisionKind
  /** Number of backends that were eligible. */
  eligible: number
  /** Milliseconds that the request had waited when the choice was made. */
  waited: number
  /** The reason for which the backend failed the request; null where it did not fail it, or has not answered yet. */
  cause: Cause | null
}

/** A decision with the time at which it was made, in monotonic milliseconds, in the place of its date. */
export type TimedDecision = Omit<Decision, 'at'> & { madeAt: number }

export interface DecisionFilter {
  /** Largest number of decisions to return, the latest first; by default all that are kept. */
  limit?: number | undefined
  /** Returns only decisions for the backend with this id. */
  backend?: string | undefined
  /** Returns only decisions about the request with this id. */
  request?: string | undefined
}
