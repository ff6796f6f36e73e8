import type { Backend } from '../../backends/backend.js'
import { type Contender, chancesOfPairs } from '../chances/chances-of-pairs.js'
import { Openings } from '../openings.js'
import { type Account, Dues } from '../stride.js'
import type { Tier } from '../tier.js'
import { WeightedDraw } from '../weighted-draw.js'
import { type CandidateScore, likeliest, type PickContext, type Policy, type Preview } from './policy.js'

/** Draws that may fall on backends that cannot be chosen, before those that can are looked for. */
const DRAWS = 4

/** Of a request, and a little less, so that what is owed decides among equals and never among unequals. */
const HALF = 0.5 - 1e-6

interface Candidate {
  readonly backend: Backend
  readonly account: Account
}

/**
 * Of two different backends drawn at random the one with fewer requests in flight for its weight: not much worse
 * than the best of all, whatever the size of the pool, and never the same one for everybody (Mitzenmacher, "The
 * Power of Two Choices in Randomized Load Balancing",
 * https://www.eecs.harvard.edu/~michaelm/postscripts/mythesis.pdf).
 *
 * The draw is by weight, and what is compared is requests in flight over weight. What a backend is owed of its
 * share, and up to half a request of it at that, decides where whole requests do not: among idle ones, and where
 * weights differ.
 */
export class PowerOfTwo implements Policy {
  readonly #random: () => number
  readonly #dues = new Dues()
  #candidates: readonly Candidate[] = []
  #draw: WeightedDraw
  #openings = new Openings([], weightOf)

  constructor(random: () => number) {
    this.#random = random
    this.#draw = new WeightedDraw([], random)
  }

  update(eligible: readonly Backend[]): void {
    const before = new Map(this.#candidates.map((candidate) => [candidate.backend, candidate]))
    this.#candidates = eligible.map(
      (backend) => before.get(backend) ?? { backend, account: this.#dues.open(backend.weight) },
    )
    this.#draw = new WeightedDraw(eligible, this.#random)
    this.#openings = new Openings(eligible, weightOf)
  }

  changed(backend: Backend): void {
    if (backend.hasLimit) this.#openings.place(backend)
  }

  retiered(backend: Backend): void {
    this.#openings.place(backend)
  }

  pick({ except, reach }: PickContext): Backend | undefined {
    const { length } = this.#candidates
    if (length === 0) return undefined
    for (let i = 0; i < DRAWS; i++) {
      const first = this.#draw.draw()
      const one = this.#candidates[first] as Candidate
      if (!fits(one, except, reach)) continue
      if (length === 1) return this.#choose(one)
      const other = this.#candidates[this.#draw.drawOther(first)] as Candidate
      if (fits(other, except, reach)) return this.#choose(this.#lessLoaded(one, other))
    }
    return this.#pickFitting(except, reach)
  }

  explain({ except, reach }: PickContext): Preview {
    const all = this.#candidates.map(
      (candidate): Contender => ({
        weight: candidate.backend.weight,
        fits: fits(candidate, except, reach),
        idle: candidate.backend.load === 0,
        owed: this.#owed(candidate),
        load: this.#load(candidate),
      }),
    )
    const chances = chancesOfPairs(all, DRAWS)
    const scores = this.#candidates
      .map(({ backend }, i): CandidateScore => {
        const { owed, load } = all[i] as Contender
        const probability = chances[i] as number
        const note = `${backend.load} requests for weight ${backend.weight}, owed ${owed.toFixed(2)}`
        return { backend, score: load, probability, parts: { owed }, note }
      })
      .sort((a, b) => a.score - b.score)
    return { choice: likeliest(scores), scores }
  }

  /** Draws among those only that may be chosen. */
  #pickFitting(except: ReadonlySet<Backend> | undefined, reach: Tier): Backend | undefined {
    const openings = this.#openings
    openings.withholdAll(except)
    const one = this.#drawFrom(openings, reach)
    if (one) openings.withhold(one.backend)
    const other = one && this.#drawFrom(openings, reach)
    if (one) openings.place(one.backend)
    openings.placeAll(except)
    return one && this.#choose(other ? this.#lessLoaded(one, other) : one)
  }

  #drawFrom(openings: Openings, reach: Tier): Candidate | undefined {
    const total = openings.total(reach)
    return total === 0 ? undefined : this.#candidates[openings.at(this.#random() * total, reach)]
  }

  #lessLoaded(one: Candidate, other: Candidate): Candidate {
    const difference =
      one.backend.load + other.backend.load === 0
        ? this.#owed(one) - this.#owed(other)
        : this.#load(other) - this.#load(one)
    return difference < 0 ? other : one
  }

  #owed({ backend, account }: Candidate): number {
    return this.#dues.owed(account, backend.weight)
  }

  #load(candidate: Candidate): number {
    const { load, weight } = candidate.backend
    const owed = Math.max(-HALF, Math.min(HALF, this.#owed(candidate)))
    return (load + 0.5 - owed) / weight
  }

  #choose({ backend, account }: Candidate): Backend {
    this.#dues.pay(account, backend.weight, this.#draw.totalWeight)
    return backend
  }
}

function fits({ backend }: Candidate, except: ReadonlySet<Backend> | undefined, reach: Tier): boolean {
  return backend.takes(reach) && !except?.has(backend)
}

function weightOf({ weight }: Backend): number {
  return weight
}
