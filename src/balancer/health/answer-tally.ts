/**
 * Counts of a backend's recent answers, each weighted by its age; kept by `RefusalOutliers`. (`refusalsOf` counts
 * the requests that the pool itself refused.)
 */
export class AnswerTally {
  /** The total weight of all answers, and that of the answers with a status from 400 on (`refused`). */
  answers = 0
  refused = 0
  /** The histogram class of the backend's share of refusals, as an index; -1 before the first answer. */
  class = -1
  /** True if the backend refuses far more requests than the other backends. */
  isOutlier = false
}
