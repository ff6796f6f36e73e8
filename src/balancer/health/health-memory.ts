/** What requests and slow start have left behind on the health of one backend, for all threads that share the pool. */
export interface HealthMemory {
  /** Number of failures since the last success. */
  readonly streak: number
  /** Counts a failure. @returns the number of failures since the last success */
  addFailure(): number
  /** Sets the number of failures in a row to 0. */
  endStreak(): void
  /**
   * The time, in monotonic milliseconds, at which the failure rate would have been 1 if nothing but time had changed it
   * since: this one number gives the rate at any time, see `FailurePenalty`. 0 where the rate is 0.
   */
  readonly failureMark: number
  /**
   * Replaces the failure mark.
   * @returns false if it is not `before` any more, because another thread has replaced it
   */
  replaceFailureMark(before: number, after: number): boolean
  /** Forgets the failure mark, because it no longer applies. A worker leaves that to the control plane. */
  forgetFailures(): void
  /** The time, in monotonic milliseconds, at which slow start began; 0 where there is none. */
  readonly slowStartAt: number
  /** Begins or ends slow start. A worker leaves that to the control plane. */
  setSlowStart(at: number): void
}

/** The memory of the health of a backend of one thread. */
export class LocalHealth implements HealthMemory {
  streak = 0
  failureMark = 0
  slowStartAt = 0

  addFailure(): number {
    return ++this.streak
  }

  endStreak(): void {
    this.streak = 0
  }

  replaceFailureMark(_before: number, after: number): boolean {
    this.failureMark = after
    return true
  }

  forgetFailures(): void {
    this.failureMark = 0
  }

  setSlowStart(at: number): void {
    this.slowStartAt = at
  }
}

/** Returns a time that is not 0, which stands for none. */
export function markOf(time: number): number {
  return time === 0 ? Number.MIN_VALUE : time
}
