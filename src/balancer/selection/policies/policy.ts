import type { Backend } from '../../backends/backend.js'
import type { PoolTable } from '../../threads/table.js'
import type { Tier } from '../tier.js'

/** The inputs of a choice besides the state of the backends. */
export interface PickContext {
  /** Monotonic milliseconds. */
  readonly now: number
  /** Backends that must not be chosen, because the request was sent to them before and failed. */
  readonly except?: ReadonlySet<Backend> | undefined
  /** A key that is the same for all requests that should reach the same backend, such as a session's id. */
  readonly key?: string | undefined
  /** The code of the backend that the key belongs to as long as it is there; see `homeCodeOf`. */
  readonly home?: number | undefined
  /** True if the backend of the key is not passed over for its load, because a session would end. */
  readonly pinned?: boolean | undefined
  /** The last tier whose backends may be chosen; see `Backend.takes`. */
  readonly reach: Tier
  /**
   * Set by a policy whose choice depended on the number of requests in flight on the chosen backend: that number. Where
   * it has changed by the time that the request is counted, because threads share the pool, the choice is made again.
   */
  seen?: number | undefined
}

/**
 * A policy, which chooses among the eligible backends of a pool. It may remember past choices, but it keeps no counts
 * of requests, because the backends have those.
 */
export interface Policy {
  /** True if all backends get the same share, whatever their weight. */
  readonly ignoresWeight?: boolean
  /** True if the number of requests in flight makes no difference to a choice, as long as a backend is not full. */
  readonly ignoresLoad?: boolean
  /** Takes over a new set of backends to choose from, or a changed weight in it. It is called before the first pick. */
  update(eligible: readonly Backend[]): void
  /** Is called after the `inFlight` or `load` of a backend changed; the backend may not be eligible. */
  changed?(backend: Backend): void
  /** Is called after the `tier` of a backend changed; the backend may not be eligible. */
  retiered?(backend: Backend): void
  /**
   * Chooses the backend for the next request; undefined where no backend can be chosen.
   * @param context valid during this call only, because the pool uses the same object for its next choice
   */
  pick(context: PickContext): Backend | undefined
  /**
   * Is called where threads share the pool, once the request that {@link pick} chose for last was counted. Where another
   * thread has forestalled it, `pick` is called again instead.
   */
  counted?(): void
  /** The result that {@link pick} would return, and why. It changes no later choice, and draws nothing at random. */
  explain(context: PickContext): Preview
}

/** The backend that a policy would choose, and why. */
export interface Preview {
  /** The backend that `pick` would return; for a random choice, the most likely backend. */
  choice: Backend | undefined
  /** All eligible backends by score, the best first. */
  scores: CandidateScore[]
}

/** The comparison of one backend with the others in a choice. */
export interface CandidateScore {
  backend: Backend
  /** The value that is compared; the least is best. A backend that cannot be chosen has one as well. */
  score: number
  /** The probability that the backend is chosen: 0 or 1, unless the policy draws at random. */
  probability: number
  /** The numbers from which the score is computed, by name, besides the fields of the backend. */
  parts: Record<string, number>
  /** An explanation of the score in words, for people. */
  note: string
}

/**
 * Returns the backend with the highest probability, the first one among equals; undefined where no backend can be
 * chosen.
 */
export function likeliest(scores: readonly CandidateScore[]): Backend | undefined {
  let best: CandidateScore | undefined
  for (const one of scores) if (one.probability > (best?.probability ?? 0)) best = one
  return best?.backend
}

/**
 * The constructor of a policy.
 * @param random a source of numbers that are uniform in [0, 1), injected so that choices can be repeated
 */
export type PolicyConstructor = new (random: () => number) => Policy

/** The constructor of a policy for a pool whose counts several threads change, each with an instance of its own. */
export type SharedPolicyConstructor = new (random: () => number, table: PoolTable) => Policy
