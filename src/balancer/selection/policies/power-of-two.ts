import type { Backend } from '../../backends/backend.js'
import type { PoolTable } from '../../threads/table.js'
import { type RandomCandidate, RandomCandidates } from '../candidates/random-candidates.js'
import { betterOfTwoProbabilities, type Contender } from '../probabilities/better-of-two.js'
import { elsewherePart, loadNote } from './load-note.js'
import { type CandidateScore, likeliest, type PickContext, type Policy, type Preview } from './policy.js'

/**
 * Largest number of times that a pair is drawn from all backends. If each pair has a backend that cannot be chosen, a
 * pair is drawn from those that can be.
 */
const MAX_DRAWS = 4

/**
 * The largest deficit that counts in a load, in requests. It is a little less than a half, so that a deficit decides
 * among equal loads, and never among unequal ones.
 */
const MAX_DEFICIT_IN_LOAD = 0.5 - 1e-6

/**
 * Draws two different backends at random, and chooses the one with fewer requests in flight for its weight. The choice
 * is not much worse than the best of all backends, whatever the size of the pool, and is not the same for every gateway
 * (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing",
 * https://www.eecs.harvard.edu/~michaelm/postscripts/mythesis.pdf).
 *
 * Backends are drawn by weight, and their requests in flight over weight are compared. The deficit of a backend says
 * how far it is behind its share. It decides where whole requests cannot: among idle backends, and where weights
 * differ.
 */
export class PowerOfTwo implements Policy {
  readonly #candidates: RandomCandidates<RandomCandidate>
  /** The pair that was drawn from the backends that can be chosen; the same array is used for each choice. */
  readonly #drawn: RandomCandidate[] = []

  /** @param table given where threads share the pool */
  constructor(random: () => number, table?: PoolTable) {
    this.#candidates = new RandomCandidates<RandomCandidate>(
      random,
      table !== undefined,
      (backend, stride) => ({
        backend,
        stride,
      }),
    )
  }

  update(eligible: readonly Backend[]): void {
    this.#candidates.update(eligible, () => 0)
  }

  changed(backend: Backend): void {
    this.#candidates.changed(backend)
  }

  retiered(backend: Backend): void {
    this.#candidates.retiered(backend)
  }

  pick(context: PickContext): Backend | undefined {
    const { list } = this.#candidates
    if (list.length === 0) return undefined
    for (let i = 0; i < MAX_DRAWS; i++) {
      const first = this.#candidates.draw()
      const one = list[first] as RandomCandidate
      if (!canBeChosen(one, context)) continue
      if (list.length === 1) return this.#candidates.choose(one)
      const other = list[this.#candidates.drawOther(first)] as RandomCandidate
      if (canBeChosen(other, context)) return this.#candidates.choose(this.#lessLoaded(one, other))
    }
    this.#drawn.length = 0
    this.#candidates.drawAvailable(this.#drawn, 2, true, context)
    const [one, other] = this.#drawn
    return one && this.#candidates.choose(other ? this.#lessLoaded(one, other) : one)
  }

  counted(): void {
    this.#candidates.counted()
  }

  explain(context: PickContext): Preview {
    const { list } = this.#candidates
    const contenders = list.map(
      (candidate): Contender => ({
        weight: candidate.backend.weight,
        canBeChosen: canBeChosen(candidate, context),
        isIdle: candidate.backend.load === 0,
        deficit: this.#candidates.deficitOf(candidate),
        load: this.#loadOf(candidate),
      }),
    )
    const probabilities = betterOfTwoProbabilities(contenders, MAX_DRAWS)
    const scores = list
      .map(({ backend }, i): CandidateScore => {
        const { deficit, load } = contenders[i] as Contender
        return {
          backend,
          score: load,
          probability: probabilities[i] as number,
          parts: { owed: deficit, ...elsewherePart(backend) },
          note: `${loadNote(backend.load, backend)} requests for weight ${backend.weight}, owed ${deficit.toFixed(2)}`,
        }
      })
      .sort((a, b) => a.score - b.score)
    return { choice: likeliest(scores), scores }
  }

  #lessLoaded(one: RandomCandidate, other: RandomCandidate): RandomCandidate {
    const areIdle = one.backend.load + other.backend.load === 0
    const difference = areIdle
      ? this.#candidates.deficitOf(other) - this.#candidates.deficitOf(one)
      : this.#loadOf(one) - this.#loadOf(other)
    return difference > 0 ? other : one
  }

  /** Returns the load that is compared: requests in flight less the deficit, over the weight. */
  #loadOf(candidate: RandomCandidate): number {
    const { load, weight } = candidate.backend
    const deficit = this.#candidates.deficitOf(candidate)
    const bounded = Math.max(-MAX_DEFICIT_IN_LOAD, Math.min(MAX_DEFICIT_IN_LOAD, deficit))
    return (load + 0.5 - bounded) / weight
  }
}

function canBeChosen({ backend }: RandomCandidate, { except, reach }: PickContext): boolean {
  return backend.takes(reach) && !except?.has(backend)
}
