import type { Backend } from '../../backends/backend.js'
import type { Tier } from '../tier.js'

/** The inputs of a choice besides the state of the backends. */
export interface PickContext {
  /** Monotonic milliseconds. */
  readonly now: number
  /** Backends that must not be chosen: the request was sent to them before, and failed. */
  readonly except?: ReadonlySet<Backend> | undefined
  /** What requests that should reach the same backend have in common, such as a session's id. */
  readonly key?: string | undefined
  /** The last tier whose backends may be chosen; see `Backend.takes`. */
  readonly reach: Tier
}

/** How a pool chooses. A policy may keep what it has to know of past choices, but no count of requests: backends have those. */
export interface Policy {
  /** Whether all backends get the same share, whatever their weight. */
  readonly ignoresWeight?: boolean
  /** Whether the number of requests in flight makes no difference, as long as a backend is not full. */
  readonly ignoresLoad?: boolean
  /** The set of backends to choose from changed, or a weight in it. Called before the first pick. */
  update(eligible: readonly Backend[]): void
  /** The `inFlight` or `load` of a backend changed; it may be one that is not eligible. */
  changed?(backend: Backend): void
  /** The `tier` of a backend changed; it may be one that is not eligible. */
  retiered?(backend: Backend): void
  /**
   * The backend for the next request; undefined where none is eligible, or none takes one.
   * @param context for this call only: the pool uses the same object again for its next choice
   */
  pick(context: PickContext): Backend | undefined
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

/** How a backend compares with the others in a choice. */
export interface CandidateScore {
  backend: Backend
  /** The value that is compared; the least is best. A backend that cannot be chosen has one as well. */
  score: number
  /** The probability that it is chosen: 0 or 1, unless the policy draws at random. */
  probability: number
  /** The numbers from which the score is computed, by name, besides the fields of the backend. */
  parts: Record<string, number>
  /** The score in words, for people. */
  note: string
}

/** The first of the likeliest backends; undefined where none can be chosen. */
export function likeliest(scores: readonly CandidateScore[]): Backend | undefined {
  let best: CandidateScore | undefined
  for (const one of scores) if (one.probability > (best?.probability ?? 0)) best = one
  return best?.backend
}

/** @param random uniform in [0, 1), injected so that choices can be repeated */
export type PolicyConstructor = new (random: () => number) => Policy
