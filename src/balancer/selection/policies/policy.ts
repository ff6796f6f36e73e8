import type { Backend } from '../../backends/backend.js'
import type { Tier } from '../tier.js'

/** What a backend is chosen by, besides what the backends themselves say. */
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

/** How a pool chooses. A policy keeps what it needs to know of past choices, never a count of its own. */
export interface Policy {
  /** Whether backends of any weight get equally much. */
  readonly ignoresWeight?: boolean
  /** Whether what is in flight makes no difference, as long as a backend is not full. */
  readonly ignoresLoad?: boolean
  /** The set of backends to choose from changed, or a weight in it. Called before the first pick. */
  update(eligible: readonly Backend[]): void
  /** The `inFlight` or `load` of a backend changed, which need not be an eligible one. */
  changed?(backend: Backend): void
  /** The `tier` of a backend changed, which need not be an eligible one. */
  retiered?(backend: Backend): void
  /**
   * The backend for the next request; undefined where none is eligible, or none takes one.
   * @param context for this call only: the pool uses the same object again for its next choice
   */
  pick(context: PickContext): Backend | undefined
  /** What {@link pick} would return, and why. It changes no later choice, and draws nothing at random. */
  explain(context: PickContext): Preview
}

/** A choice that was not made. */
export interface Preview {
  /** Whom `pick` would return; where chance decides, whom most likely. */
  choice: Backend | undefined
  /** All eligible backends, the best first; where chance decides, by score all the same. */
  scores: CandidateScore[]
}

/** How a backend stands in a choice. */
export interface CandidateScore {
  backend: Backend
  /** What is compared; the least is best. Also of those that may not be chosen this time, as if they might. */
  score: number
  /** That it is chosen, from 0 to 1: exactly those unless chance has a part in it. */
  probability: number
  /** What the score is made of, besides what the backend itself says: numbers by name. */
  parts: Record<string, number>
  /** The score in a few words. */
  note: string
}

/** The first of those that are most likely to be chosen; undefined where nobody can be. */
export function likeliest(scores: readonly CandidateScore[]): Backend | undefined {
  let best: CandidateScore | undefined
  for (const one of scores) if (one.probability > (best?.probability ?? 0)) best = one
  return best?.backend
}

/** @param random uniform in [0, 1), injected so that choices can be repeated */
export type PolicyConstructor = new (random: () => number) => Policy
