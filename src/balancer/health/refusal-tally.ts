/** What a backend answered of late, each answer weighed by its age. */
export class RefusalTally {
  answers = 0
  refused = 0
  /** The interval of its share of refusals, see `RefusalOutliers`; -1 before its first answer. */
  class = -1
  /** Whether it refuses far more than the others. */
  isOutlier = false
}
