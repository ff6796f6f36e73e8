import type { Backend } from '../../backends/backend.js'
import type { PoolTable } from '../../threads/table.js'
import { type RandomCandidate, RandomCandidates } from '../candidates/random-candidates.js'
import { bestOfDrawsProbabilities, type Contender } from '../probabilities/best-of-draws.js'
import { elsewherePart, loadNote } from './load-note.js'
import { type CandidateScore, likeliest, type PickContext, type Policy, type Preview } from './policy.js'

/** In pools up to this size all backends are compared. */
const COMPARE_ALL_UP_TO = 32
/** Number of backends that are drawn at random and compared in a larger pool. */
const DRAW_COUNT = 16
/** A backend whose estimate is at most this many times that of the fastest takes turns with the fastest by weight. */
const SIMILAR_SPEED_RATIO = 2
/** Milliseconds that stand for an unknown estimate: more than any response takes, and still finite. */
const UNKNOWN_MS = 1e9
/**
 * Milliseconds that replace an estimate of 0, so that backends that were not tried yet are compared by load and take
 * turns.
 */
const UNTRIED_MS = 1e-9
/**
 * The largest deficit that counts in a load, in requests. It is a little less than one, so that a deficit decides among
 * equal loads, and never among unequal ones.
 */
const MAX_DEFICIT_IN_LOAD = 1 - 1e-6

interface Candidate extends RandomCandidate {
  /**
   * Milliseconds until the backend is expected to respond, for the present choice; NaN where the backend cannot be
   * chosen.
   */
  estimateMs: number
}

/**
 * Chooses the backend that is expected to respond first: the one with the least `estimate * (inFlight + 1 - deficit) /
 * weight`, as in finagle's peak EWMA balancer
 * (https://github.com/twitter/finagle/blob/develop/finagle-core/src/main/scala/com/twitter/finagle/loadbalancer/PeakEwma.scala);
 * `ResponseTime` makes the estimate. A backend that turns slow, or stalls, is avoided before its late response arrives,
 * and a backend without history gets a single request at first.
 *
 * The deficit says how far a backend is behind its share, as part of one request, as in least connections: backends
 * that are about equally fast take turns by weight. In a pool of more than 32 backends, 16 are drawn at random by
 * weight, and the best of them is chosen. That costs the same in any pool, and keeps gateways from all choosing the
 * same backend.
 */
export class LeastResponseTime implements Policy {
  readonly #random: () => number
  readonly #candidates: RandomCandidates<Candidate>
  /** The candidates that were drawn for the present choice; the same array is used for each choice. */
  readonly #drawn: Candidate[] = []

  /** @param table given where threads share the pool */
  constructor(random: () => number, table?: PoolTable) {
    this.#random = random
    this.#candidates = new RandomCandidates<Candidate>(random, table !== undefined, (backend, stride) => ({
      backend,
      stride,
      estimateMs: 0,
    }))
  }

  update(eligible: readonly Backend[]): void {
    // Gateways that start together should not all begin with the same backend.
    this.#candidates.update(eligible, this.#random)
  }

  changed(backend: Backend): void {
    this.#candidates.changed(backend)
  }

  retiered(backend: Backend): void {
    this.#candidates.retiered(backend)
  }

  pick(context: PickContext): Backend | undefined {
    const best = this.#find(context)
    return best && this.#candidates.choose(best)
  }

  counted(): void {
    this.#candidates.counted()
  }

  explain(context: PickContext): Preview {
    const { list } = this.#candidates
    const best = this.#bestOf(list, context)
    let fastest = UNKNOWN_MS
    const contenders = list.map((candidate): Contender => {
      const { backend } = candidate
      const canBeChosen = !Number.isNaN(candidate.estimateMs)
      const estimate = estimateOf(backend, context.now)
      if (canBeChosen) fastest = Math.min(fastest, estimate)
      return {
        weight: backend.weight,
        canBeChosen,
        estimate,
        cost: costOf(backend, estimate, 0),
        costIfSimilar: costOf(backend, estimate, this.#deficitOf(candidate)),
      }
    })
    const probabilities =
      list.length <= COMPARE_ALL_UP_TO || !best
        ? list.map((candidate) => (candidate === best ? 1 : 0))
        : bestOfDrawsProbabilities(contenders, DRAW_COUNT, SIMILAR_SPEED_RATIO)
    const scores = list
      .map((candidate, i): CandidateScore => {
        const { backend } = candidate
        const { estimate, cost, costIfSimilar } = contenders[i] as Contender
        const isSimilar = estimate <= SIMILAR_SPEED_RATIO * fastest
        const owed = isSimilar ? this.#deficitOf(candidate) : 0
        const note = `${inWords(estimate)}, ${loadNote(backend.load, backend)} + 1 requests, less ${owed.toFixed(2)} owed, for weight ${backend.weight}`
        return {
          backend,
          score: isSimilar ? costIfSimilar : cost,
          probability: probabilities[i] as number,
          parts: { estimate, owed, ...elsewherePart(backend) },
          note,
        }
      })
      .sort((a, b) => a.score - b.score)
    return { choice: likeliest(scores), scores }
  }

  #find(context: PickContext): Candidate | undefined {
    const { list } = this.#candidates
    if (list.length <= COMPARE_ALL_UP_TO) return this.#bestOf(list, context)
    const drawn = this.#drawn
    drawn.length = 0
    for (let i = 0; i < DRAW_COUNT; i++) drawn.push(list[this.#candidates.draw()] as Candidate)
    const best = this.#bestOf(drawn, context)
    if (best) return best
    drawn.length = 0
    this.#candidates.drawAvailable(drawn, DRAW_COUNT, false, context)
    return this.#bestOf(drawn, context)
  }

  #bestOf(candidates: readonly Candidate[], context: PickContext): Candidate | undefined {
    const fastest = estimateAll(candidates, context)
    let best: Candidate | undefined
    let least = Number.POSITIVE_INFINITY
    for (const candidate of candidates) {
      const { backend, estimateMs } = candidate
      const deficit = estimateMs <= SIMILAR_SPEED_RATIO * fastest ? this.#deficitOf(candidate) : 0
      const cost = costOf(backend, estimateMs, deficit)
      // The comparison is false where the cost is NaN, because the candidate cannot be chosen.
      if (cost < least) {
        best = candidate
        least = cost
      }
    }
    return best
  }

  #deficitOf(candidate: Candidate): number {
    return Math.max(0, Math.min(MAX_DEFICIT_IN_LOAD, this.#candidates.deficitOf(candidate)))
  }
}

/** Sets the estimate of each candidate, NaN for one that cannot be chosen. Returns the least estimate. */
function estimateAll(candidates: readonly Candidate[], { now, except, reach }: PickContext): number {
  let fastest = Number.POSITIVE_INFINITY
  for (const candidate of candidates) {
    const { backend } = candidate
    if (!backend.takes(reach) || except?.has(backend)) {
      candidate.estimateMs = Number.NaN
      continue
    }
    candidate.estimateMs = estimateOf(backend, now)
    if (candidate.estimateMs < fastest) fastest = candidate.estimateMs
  }
  return fastest
}

/** Returns the milliseconds until a backend is expected to respond. */
function estimateOf({ leases, responseTime }: Backend, now: number): number {
  const estimate = responseTime.estimate(now, leases.awaitedSince)
  return Math.max(UNTRIED_MS, Math.min(UNKNOWN_MS, estimate))
}

function costOf({ load, weight }: Backend, estimate: number, deficit: number): number {
  return (estimate * (load + 1 - deficit)) / weight
}

function inWords(estimate: number): string {
  if (estimate === UNTRIED_MS) return 'not tried yet'
  if (estimate === UNKNOWN_MS) return 'its first answer is waited for'
  return `answers in about ${estimate.toFixed(1)} ms`
}
