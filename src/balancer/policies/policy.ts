import type { Backend } from '../backend.js'

/** How a pool chooses. A policy keeps what it needs to know of past choices, never a count of its own. */
export interface Policy {
  /** Whether backends of any weight get equally much. */
  readonly ignoresWeight?: boolean
  /** The set of backends to choose from changed, or a weight in it. Called before the first pick. */
  update(eligible: readonly Backend[]): void
  /** The `inFlight` or `load` of a backend changed, which need not be an eligible one. */
  changed?(backend: Backend): void
  /**
   * The backend for the next request; undefined where none is eligible or all are full.
   * @param now monotonic milliseconds
   * @param except those that this request was sent to before, and failed on
   */
  pick(now: number, except?: ReadonlySet<Backend>): Backend | undefined
}

/** @param random uniform in [0, 1), injected so that choices can be repeated */
export type PolicyConstructor = new (random: () => number) => Policy
