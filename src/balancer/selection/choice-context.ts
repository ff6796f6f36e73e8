import type { PickContext } from './policies/policy.js'
import { tiers } from './tier.js'

/** A context that is used for one choice after the other. */
export type ChoiceContext = { -readonly [K in keyof PickContext]-?: PickContext[K] }

/** Returns a context with all its fields, so that no choice changes its shape. */
export function newContext(): ChoiceContext {
  return {
    now: 0,
    except: undefined,
    key: undefined,
    home: undefined,
    pinned: undefined,
    reach: tiers.withinShare,
    seen: undefined,
  }
}
