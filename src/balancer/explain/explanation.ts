import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import { AllFullError, type BalancerError, NoBackendError } from '../errors.js'
import type { KeyTraits, RequestTraits } from '../leases/lease-request.js'
import type { WaitQueue } from '../leases/wait-queue.js'
import type { PolicyName } from '../selection/policies/index.js'
import type { CandidateScore } from '../selection/policies/policy.js'
import type { SelectionPreview } from '../selection/selection-preview.js'
import { tiers } from '../selection/tier.js'
import type { Clock } from '../time/clock.js'
import { percent, type UnavailabilitySources, unavailableReasonOf } from './unavailable-reason.js'

/** The request to explain; by default one that comes now and can be repeated. */
export interface Inquiry extends Pick<RequestTraits, 'except' | keyof KeyTraits | 'repeatable' | 'upgrade'> {
  /**
   * True if the request would wait where every backend is full, as with `lease()`; false if it would not, as with
   * `acquire()`. True by default.
   */
  waits?: boolean | undefined
}

/** The predicted result for a request, and the reasons. */
export interface Explanation {
  at: string
  policy: PolicyName
  /**
   * The id of the backend that would be given the request (for a random choice, of the most likely one); null for none.
   */
  backend: string | null
  /**
   * The predicted outcome. `choice`: the request goes to the policy's choice, or to a backup. `trial`: it probes an
   * ejected backend. `queue`: it waits. `refused`: it is refused, see `error`.
   */
  outcome: 'choice' | 'trial' | 'queue' | 'refused'
  /** The reason for the outcome, in a few words. */
  why: string
  /** The error with which the request would be refused; null otherwise. */
  error: { code: string; message: string } | null
  /** True if health is ignored, because too few backends are healthy. */
  panic: boolean
  /** The number of requests that wait now, and the largest number that may. */
  queue: { length: number; limit: number }
  /** All backends; the ones that can be chosen now come first, from best to worst. */
  backends: ExplainedBackend[]
}

/** The comparison of one backend with the others. */
export interface ExplainedBackend {
  id: string
  /** The value that the policy compares; the least is best. Null where the backend is not eligible. */
  score: number | null
  /** The numbers, by name, from which the score is computed, besides the fields here. They depend on the policy. */
  parts: Record<string, number>
  /** The probability that the backend is chosen: 0 or 1, unless the policy draws at random. */
  probability: number
  /** True if requests are given to the backend now, unless it is full. */
  eligible: boolean
  /** True if the backend could be chosen for this request. */
  available: boolean
  /** The reason for which the backend is not available, or how it compares with the available ones. */
  reason: string
  inFlight: number
  /** Number of requests that other gateways have in flight on the backend, as they said last. */
  inFlightElsewhere: number
  /**
   * The load that policies compare: `inFlight`, plus requests that a hedge took away and what those of other gateways
   * count, less tunnels without traffic.
   */
  load: number
  weight: number
  maxConnections: number | null
  /** The part of its fair share that the backend may have now, from 0 to 1. */
  share: number
}

/** The parts of a pool from which an explanation is made. */
export interface ExplainContext extends UnavailabilitySources {
  policy: PolicyName
  registry: Registry
  queue: WaitQueue
  clock: Clock
  /** True if the pool was stopped, and gives no lease any more. */
  stopped: boolean
  /** True if there is any backend that the request could wait for. */
  hasOther: boolean
}

/** Explains what would happen to a request. It changes nothing. */
export function explain(inquiry: Inquiry, context: ExplainContext): Explanation {
  const { preview, policy, registry, queue, clock, stopped } = context
  const choice = stopped ? undefined : preview.choice
  const scores = new Map(preview.scores.map((score) => [score.backend, score]))
  const now = clock.now()

  // All backends: first the ones from which the policy chooses, in its order, then the others.
  const all = new Set([...scores.keys(), ...registry.list()])
  const candidates = [...all]
    .map((backend) => {
      const unavailable = stopped
        ? 'the pool was stopped'
        : unavailableReasonOf(backend, inquiry.except, context, now)
      const rank = preview.isProbe && backend === choice ? 0 : unavailable === undefined ? 1 : 2
      return { backend, score: scores.get(backend), unavailable, rank }
    })
    .sort((a, b) => a.rank - b.rank)
  const best = candidates[0]?.score
  const error = choice ? undefined : refusalOf(inquiry, context)

  return {
    at: clock.date().toISOString(),
    policy,
    backend: choice?.id ?? null,
    outcome: choice ? (preview.isProbe ? 'trial' : 'choice') : error ? 'refused' : 'queue',
    why: error?.message ?? whyOf(choice, context),
    error: error ? { code: error.code, message: error.message } : null,
    panic: registry.panicking,
    queue: { length: queue.length, limit: queue.limit },
    backends: candidates.map(({ backend, score, unavailable }) => ({
      id: backend.id,
      score: score?.score ?? null,
      parts: score?.parts ?? {},
      probability: probabilityOf(backend, choice, preview, score),
      eligible: backend.isEligible,
      available: unavailable === undefined,
      reason: unavailable ?? comparisonOf(backend, choice, preview, score, best),
      inFlight: backend.inFlight,
      inFlightElsewhere: Math.round(backend.inFlightElsewhere),
      load: Math.round(backend.load),
      weight: backend.weight,
      maxConnections: Number.isFinite(backend.maxConnections) ? backend.maxConnections : null,
      share: Math.round(backend.share() * 1000) / 1000,
    })),
  }
}

function probabilityOf(
  backend: Backend,
  choice: Backend | undefined,
  { isProbe }: SelectionPreview,
  score: CandidateScore | undefined,
): number {
  if (!choice) return 0
  if (isProbe || !choice.isEligible) return Number(backend === choice)
  // The probability is rounded, because sums of fractions are slightly off.
  return Math.round((score?.probability ?? 0) * 1e9) / 1e9
}

/** Says how an available backend compares with the best one. */
function comparisonOf(
  backend: Backend,
  choice: Backend | undefined,
  { isProbe }: SelectionPreview,
  candidate: CandidateScore | undefined,
  best: CandidateScore | undefined,
): string {
  if (isProbe && backend === choice) return 'ejected, its time is up: the next request tries it'
  if (backend.keepsKeys) return 'next: it drains, and keeps its keys until shortly before the end of that'
  if (!backend.isEligible) return 'backup: every other backend has failed the request'
  if (!candidate) return 'may be chosen'
  const { probability, score, note } = candidate
  // An unhealthy or ejected backend is eligible only in panic.
  const ignored = backend.health === 'unhealthy' || backend.isEjected ? ` (${backend.health}, ignored)` : ''
  const told = `${note}${ignored}`
  if (isProbe) return `waits for the trial of another: ${told}`
  if (probability > 0 && probability < 1) return `${percent(probability)} likely: ${told}`
  if (backend === choice) return `next: ${told}`
  if (score === best?.score) return `as good, and its turn comes later: ${told}`
  return `behind: ${told}`
}

/** Returns the error with which the request would be refused; undefined where it would wait. */
function refusalOf(
  { waits = true }: Inquiry,
  { queue, hasOther }: ExplainContext,
): BalancerError | undefined {
  if (!hasOther) return new NoBackendError()
  return waits ? queue.refusal : new AllFullError()
}

/** Returns the reason for the choice, or for waiting where there is no choice. */
function whyOf(choice: Backend | undefined, { preview, queue }: ExplainContext): string {
  const { length } = queue
  if (!choice)
    return `every backend that may be chosen is full or rests: it would wait behind ${length} others`
  const first = length > 0 ? `after ${length} that wait: ` : ''
  if (preview.isProbe) return `${first}${choice.id} was ejected, its time is up, and the request tries it`
  if (choice.keepsKeys) return `${first}${choice.id} drains, and keeps its keys for now`
  if (!choice.isEligible)
    return `${first}${choice.id} is a backup, and every other backend has failed the request`
  const need = choice.tier > tiers.withinShare ? `all that need no rest are full, so that it is ` : ''
  const { probability, note } = preview.scores.find(({ backend }) => backend === choice) as CandidateScore
  if (probability < 1) return `${first}${need}${choice.id} with ${percent(probability)}: ${note}`
  return `${first}${need}${choice.id}: ${note}`
}
