import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import { AllFullError, type BalancerError, NoBackendError } from '../errors.js'
import type { RequestTraits } from '../leases/lease-request.js'
import type { WaitQueue } from '../leases/wait-queue.js'
import type { PolicyName } from '../selection/policies/index.js'
import type { CandidateScore } from '../selection/policies/policy.js'
import type { SelectionPreview } from '../selection/selection.js'
import { tiers } from '../selection/tier.js'
import type { Clock } from '../time/clock.js'
import { percent, type UnavailabilitySources, unavailableReasonOf } from './unavailable-reason.js'

/** What sort of a request is asked about: by default one that came just now, and nothing is lost if it fails. */
export interface Inquiry extends Pick<RequestTraits, 'except' | 'key' | 'repeatable' | 'upgrade'> {
  /** Whether it would wait where every backend is full, as by `lease()`; `acquire()` does not. True by default. */
  waits?: boolean | undefined
}

/** What would become of a request, and why. */
export interface Explanation {
  at: string
  policy: PolicyName
  /** Who would be given it; where chance decides, who most likely would. Null for nobody. */
  backend: string | null
  /** `choice`: of the policy. `trial`: of an ejected backend. `queue`: it would wait. `refused`: see `error`. */
  outcome: 'choice' | 'trial' | 'queue' | 'refused'
  /** In a few words. */
  why: string
  /** What it would be refused with. */
  error: { code: string; message: string } | null
  /** Health leaves too little, and is ignored. */
  panic: boolean
  /** Requests that wait now. */
  queue: { length: number; limit: number }
  /** All backends: first those that may be chosen now, the best first. */
  backends: ExplainedBackend[]
}

/** How a backend stands in a choice. */
export interface ExplainedBackend {
  id: string
  /** What the policy compares: the least is best. Null where it is not eligible. */
  score: number | null
  /** What the score is made of, besides the fields here: which numbers depends on the policy. */
  parts: Record<string, number>
  /** That it would be chosen: 0 or 1, unless chance has a part in the policy. */
  probability: number
  /** Whether requests are given to it now; one of these may still be full, say. */
  eligible: boolean
  /** Whether it could be chosen for this request. */
  available: boolean
  /** Why it is not available, or how it stands among those that are. */
  reason: string
  inFlight: number
  /** What policies compare: `inFlight`, and requests that were overtaken by a second try, less tunnels without traffic. */
  load: number
  weight: number
  maxConnections: number | null
  /** Part of its fair share that it may have now, from 0 to 1. */
  share: number
}

/** What an explanation is drawn from. */
export interface ExplainContext extends UnavailabilitySources {
  policy: PolicyName
  registry: Registry
  queue: WaitQueue
  clock: Clock
  /** No lease is given any more. */
  stopped: boolean
  /** Whether there is any backend to wait for. */
  hasOther: boolean
}

export function explain(inquiry: Inquiry, circumstances: ExplainContext): Explanation {
  const { prospect, policy, registry, queue, clock, stopped } = circumstances
  const choice = stopped ? undefined : prospect.choice
  const standings = new Map(prospect.standings.map((standing) => [standing.backend, standing]))
  const now = clock.now()

  // In the policy's order, then those that it does not know.
  const all = new Set([...standings.keys(), ...registry.list()])
  const explained = [...all]
    .map((backend) => {
      const hindrance = stopped
        ? 'the pool was stopped'
        : unavailableReasonOf(backend, inquiry.except, circumstances, now)
      const rank = prospect.trial && backend === choice ? 0 : hindrance === undefined ? 1 : 2
      return { backend, standing: standings.get(backend), hindrance, rank }
    })
    .sort((a, b) => a.rank - b.rank)
  const best = explained[0]?.standing
  const error = choice ? undefined : refusalOf(inquiry, circumstances)

  return {
    at: clock.date().toISOString(),
    policy,
    backend: choice?.id ?? null,
    outcome: choice ? (prospect.trial ? 'trial' : 'choice') : error ? 'refused' : 'queue',
    why: error?.message ?? whyOf(choice, circumstances),
    error: error ? { code: error.code, message: error.message } : null,
    panic: registry.panicking,
    queue: { length: queue.length, limit: queue.limit },
    backends: explained.map(({ backend, standing, hindrance }) => ({
      id: backend.id,
      score: standing?.score ?? null,
      parts: standing?.parts ?? {},
      probability: chanceOf(backend, choice, prospect, standing),
      eligible: backend.isEligible,
      available: hindrance === undefined,
      reason: hindrance ?? reasonOf(backend, choice, prospect.trial, standing, best),
      inFlight: backend.inFlight,
      load: backend.load,
      weight: backend.weight,
      maxConnections: Number.isFinite(backend.maxConnections) ? backend.maxConnections : null,
      share: Math.round(backend.share() * 1000) / 1000,
    })),
  }
}

/** What was added up differs a little from what it is. */
function chanceOf(
  backend: Backend,
  choice: Backend | undefined,
  { trial }: SelectionPreview,
  standing: CandidateScore | undefined,
): number {
  if (!choice) return 0
  if (trial || !choice.isEligible) return Number(backend === choice)
  return Math.round((standing?.probability ?? 0) * 1e9) / 1e9
}

/** How one that can be chosen stands. */
function reasonOf(
  backend: Backend,
  choice: Backend | undefined,
  trial: boolean,
  standing: CandidateScore | undefined,
  best: CandidateScore | undefined,
): string {
  if (trial && backend === choice) return 'ejected, its time is up: the next request tries it'
  if (!backend.isEligible) return 'backup: every other backend has failed the request'
  if (!standing) return 'may be chosen'
  const { probability, score, note } = standing
  // Only those are eligible that health is ignored of.
  const ignored = backend.health === 'unhealthy' || backend.isEjected ? ` (${backend.health}, ignored)` : ''
  const told = `${note}${ignored}`
  if (trial) return `waits for the trial of another: ${told}`
  if (probability > 0 && probability < 1) return `${percent(probability)} likely: ${told}`
  if (backend === choice) return `next: ${told}`
  if (score === best?.score) return `as good, and its turn comes later: ${told}`
  return `behind: ${told}`
}

/** What the request would be refused with; undefined where it would wait. */
function refusalOf(
  { waits = true }: Inquiry,
  { queue, hasOther }: ExplainContext,
): BalancerError | undefined {
  if (!hasOther) return new NoBackendError()
  return waits ? queue.refusal : new AllFullError()
}

function whyOf(choice: Backend | undefined, { prospect, queue }: ExplainContext): string {
  const { length } = queue
  if (!choice)
    return `every backend that may be chosen is full or rests: it would wait behind ${length} others`
  const first = length > 0 ? `after ${length} that wait: ` : ''
  if (prospect.trial) return `${first}${choice.id} was ejected, its time is up, and the request tries it`
  if (!choice.isEligible)
    return `${first}${choice.id} is a backup, and every other backend has failed the request`
  const need = choice.tier > tiers.part ? `all that need no rest are full, so that it is ` : ''
  const standing = prospect.standings.find(({ backend }) => backend === choice) as CandidateScore
  const { probability, note } = standing
  if (probability < 1) return `${first}${need}${choice.id} with ${percent(probability)}: ${note}`
  return `${first}${need}${choice.id}: ${note}`
}
