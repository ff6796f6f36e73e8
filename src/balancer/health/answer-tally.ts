/**
 * What a backend answered of late, each answer weighted by its age; kept by `RefusalOutliers`. (What the pool itself
 * refused is in `RefusalCounter`.)
 */
export class AnswerTally {
  /** The weight of all answers, and of those with a status from 400 on. */
  answers = 0
  refused = 0
  /** The class of its share of refusals, an index into a histogram; -1 before its first answer. */
  class = -1
  /** Whether the backend refuses far more requests than the other backends. */
  isOutlier = false
}
