/** Milliseconds of one step of a timeline. */
export const STEP = 250

/** What one contender's clients met in one scenario. Latencies are milliseconds from when a request was due. */
export interface Outcome {
  contender: string
  kind: 'leastwise' | 'peer'
  sent: number
  /** Answers other than 200, and broken connections. Their latency is not in any percentile but `p99WithErrors`. */
  failed: number
  /** Requests that clients gave up on, whose latency is the client's timeout. */
  timedOut: number
  p50: number
  p99: number
  p999: number
  max: number
  /** The same as p99, where whoever got an error has waited for as long as clients wait at all. */
  p99WithErrors: number
  /** Requests that arrived at each backend, tries counted one by one. */
  arrived: number[]
  /** Requests that a backend failed because the scenario says so. */
  failedByBackends: number
  timeline: Timeline
}

/** How it went, in steps of {@link STEP} milliseconds by when requests were due. */
export interface Timeline {
  p50: (number | null)[]
  p99: (number | null)[]
  errors: number[]
  /** Per step, requests that arrived at each backend. */
  arrived: number[][]
}

/** The value that `percent` of the sorted values are not above. */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN
}
