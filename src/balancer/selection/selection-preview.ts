import type { Backend } from '../backends/backend.js'
import type { CandidateScore } from './policies/policy.js'
import type { Tier } from './tier.js'

/** The result that `Selection.choose` would return for a request. */
export interface SelectionPreview {
  choice: Backend | undefined
  /** True if the choice is an ejected backend that the request would probe. */
  isProbe: boolean
  /** The scores of the eligible backends, the best first. */
  scores: readonly CandidateScore[]
  /** The last tier whose backends could be chosen. */
  reach: Tier
}
