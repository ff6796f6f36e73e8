import type { RigBackend } from '../rig/backend.js'
import type { Ending } from '../rig/load.js'
import { type Outcome, percentile, STEP, type Timeline } from './outcome.js'
import { CLIENT_TIMEOUT } from './scenarios.js'

/** Gathers what one contender's clients meet. */
export class Recorder {
  readonly #backends: readonly RigBackend[]
  readonly #latencies: number[] = []
  readonly #steps: { latencies: number[]; errors: number }[]
  readonly #arrived: number[][] = []
  #before: number[] = []
  #failedBefore = 0
  #failed = 0
  #timedOut = 0

  /** @param duration milliseconds */
  constructor(backends: readonly RigBackend[], duration: number) {
    this.#backends = backends
    this.#steps = Array.from({ length: Math.ceil(duration / STEP) }, () => ({ latencies: [], errors: 0 }))
  }

  /** What was before does not count. */
  begin(): void {
    this.#before = this.#counts()
    this.#failedBefore = this.#failures()
  }

  /** A request ended that was due `at` milliseconds after the beginning. */
  record(at: number, ending: Ending, latency: number): void {
    const step = this.#steps[Math.floor(at / STEP)]
    if (ending !== 'ok' && step) step.errors++
    if (ending === 'failed') {
      this.#failed++
      return
    }
    if (ending === 'timed out') this.#timedOut++
    this.#latencies.push(latency)
    step?.latencies.push(latency)
  }

  /** A step is over. */
  step(): void {
    if (this.#arrived.length === this.#steps.length) return
    const sum = (i: number) => this.#arrived.reduce((total, counts) => total + (counts[i] ?? 0), 0)
    this.#arrived.push(this.#counts().map((count, i) => count - (this.#before[i] ?? 0) - sum(i)))
  }

  outcome(contender: string, kind: 'leastwise' | 'peer'): Outcome {
    const sorted = Float64Array.from(this.#latencies).sort()
    const lost = new Float64Array(this.#failed).fill(CLIENT_TIMEOUT)
    const withErrors = Float64Array.from([...sorted, ...lost]).sort()
    return {
      contender,
      kind,
      sent: withErrors.length,
      failed: this.#failed,
      timedOut: this.#timedOut,
      p50: percentile(sorted, 50),
      p99: percentile(sorted, 99),
      p999: percentile(sorted, 99.9),
      max: percentile(sorted, 100),
      p99WithErrors: percentile(withErrors, 99),
      arrived: this.#counts().map((count, i) => count - (this.#before[i] ?? 0)),
      failedByBackends: this.#failures() - this.#failedBefore,
      timeline: this.#timeline(),
    }
  }

  #timeline(): Timeline {
    const sorted = this.#steps.map(({ latencies }) => Float64Array.from(latencies).sort())
    const at = (percent: number) =>
      sorted.map((values) => (values.length > 0 ? percentile(values, percent) : null))
    return {
      p50: at(50),
      p99: at(99),
      errors: this.#steps.map(({ errors }) => errors),
      arrived: this.#arrived,
    }
  }

  #counts(): number[] {
    return this.#backends.map(({ arrived }) => arrived)
  }

  #failures(): number {
    return this.#backends.reduce((sum, { failed }) => sum + failed, 0)
  }
}
