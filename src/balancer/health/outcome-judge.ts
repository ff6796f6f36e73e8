import type { Lease } from '../leases/lease.js'
import type { Outcome } from '../leases/outcome.js'
import type { Clock } from '../time/clock.js'
import type { FailurePenalty } from './failure-penalty.js'
import type { PassiveHealth } from './passive-health.js'
import type { ShareLimits } from './share-limits.js'

/** Decides what the end of a request says about its backend, and tells that to the ejection and the failure penalty. */
export class OutcomeJudge {
  readonly #ejection: PassiveHealth
  readonly #penalty: FailurePenalty
  readonly #limits: ShareLimits
  readonly #clock: Clock

  constructor(ejection: PassiveHealth, penalty: FailurePenalty, limits: ShareLimits, clock: Clock) {
    this.#ejection = ejection
    this.#penalty = penalty
    this.#limits = limits
    this.#clock = clock
  }

  /** Judges the end of a request. A cancelled request is no failure of its backend. */
  judge(lease: Lease, outcome: Outcome): void {
    const { backend } = lease
    if (lease.awaitedSince !== undefined) {
      const now = this.#clock.now()
      // An app that uses the core and reports no more than `ok` had the whole response by now.
      if (outcome === 'ok') lease.answered(now)
      else backend.responseTime.atLeast(now - lease.awaitedSince, now)
    }
    if (outcome === 'failed' || outcome === 'doubtful') {
      if (this.#penalty.failed(backend, this.#clock.now())) this.#limits.failed(backend)
      // A client that causes failures does so on every backend, and a penalty that most backends have is ignored. An
      // ejection is not ignored, so only failures that are certainly the backend's fault count towards one.
      if (outcome === 'failed') this.#ejection.failed(lease)
      else this.#ejection.cancelled(lease)
    } else if (outcome === 'ok' || lease.answeredWell) {
      if (this.#penalty.has(backend) && this.#penalty.succeeded(backend, this.#clock.now()))
        this.#limits.succeeded(backend)
      if (this.#ejection.hasHistory) this.#ejection.succeeded(lease)
    } else {
      this.#ejection.cancelled(lease)
    }
  }
}
