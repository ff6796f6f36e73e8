import type { Backend } from '../../backends/backend.js'
import { type Contestant, chancesOfDraws } from '../chances/chances-of-draws.js'
import { Openings } from '../openings.js'
import { type Account, Dues } from '../stride.js'
import type { Tier } from '../tier.js'
import { WeightedDraw } from '../weighted-draw.js'
import { type CandidateScore, likeliest, type PickContext, type Policy, type Preview } from './policy.js'

/** Pools up to that size are looked at as a whole. */
const SMALL = 32
/** In a larger one so many are drawn at random. */
const DRAWN = 16
/** Backends whose response times are not further apart than that take turns by weight. */
const NEAR = 2
/** In place of what is not known yet: longer than any answer takes, and still a number to count with. */
const UNKNOWN = 1e9
/** In place of 0, so that those of which nothing is known are tried in turn. */
const UNTRIED = 1e-9

/** Of a request, so that what is owed decides among equals and never among unequals. */
const MOST = 1 - 1e-6

interface Candidate {
  readonly backend: Backend
  readonly account: Account
  /** Milliseconds, as of this choice. */
  estimate: number
}

/**
 * The backend that is going to answer first: the smallest `estimate * (inFlight + 1 - owed) / weight`, where
 * the estimate is that of `ResponseTime`. A backend that turns slow, or stalls, is left alone before it has
 * answered late; one without history gets one request at first.
 *
 * `owed` is part of one request, as with least connections, and lets backends that are about equally fast take
 * turns by weight. In a pool of more than 32 backends 16 are drawn at random, by weight, and the best of them is
 * chosen: it costs the same in any pool, and many gateways do not all choose the same.
 */
export class LeastResponseTime implements Policy {
  readonly #random: () => number
  readonly #dues = new Dues()
  #candidates: readonly Candidate[] = []
  #draw: WeightedDraw
  #openings = new Openings([], weightOf)
  /** Those that are looked at for a choice. */
  readonly #looked: Candidate[] = []

  constructor(random: () => number) {
    this.#random = random
    this.#draw = new WeightedDraw([], random)
  }

  update(eligible: readonly Backend[]): void {
    const before = new Map(this.#candidates.map((candidate) => [candidate.backend, candidate]))
    this.#candidates = eligible.map(
      (backend) =>
        before.get(backend) ?? {
          backend,
          // Gateways that start together should not all begin with the same backend.
          account: this.#dues.open(backend.weight, this.#random()),
          estimate: 0,
        },
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

  pick({ now, except, reach }: PickContext): Backend | undefined {
    const best = this.#find(now, except, reach)
    if (!best) return undefined
    this.#dues.pay(best.account, best.backend.weight, this.#draw.totalWeight)
    return best.backend
  }

  explain({ now, except, reach }: PickContext): Preview {
    const best = this.#best(this.#candidates, now, except, reach)
    let fastest = UNKNOWN
    const all = this.#candidates.map((candidate): Contestant => {
      const { backend, account } = candidate
      const fits = !Number.isNaN(candidate.estimate)
      const estimate = estimateOf(backend, now)
      if (fits) fastest = Math.min(fastest, estimate)
      const even = costOf(backend, estimate, 0)
      const near = costOf(backend, estimate, this.#owed(account, backend.weight))
      return { weight: backend.weight, fits, estimate, even, near }
    })
    const chances =
      all.length <= SMALL || !best
        ? this.#candidates.map((candidate) => (candidate === best ? 1 : 0))
        : chancesOfDraws(all, DRAWN, NEAR)
    const scores = this.#candidates
      .map(({ backend, account }, i): CandidateScore => {
        const { estimate, even, near } = all[i] as Contestant
        const isNear = estimate <= NEAR * fastest
        const owed = isNear ? this.#owed(account, backend.weight) : 0
        const note = `${inWords(estimate)}, ${backend.load} + 1 requests, less ${owed.toFixed(2)} owed, for weight ${backend.weight}`
        return {
          backend,
          score: isNear ? near : even,
          probability: chances[i] as number,
          parts: { estimate, owed },
          note,
        }
      })
      .sort((a, b) => a.score - b.score)
    return { choice: likeliest(scores), scores }
  }

  #find(now: number, except: ReadonlySet<Backend> | undefined, reach: Tier): Candidate | undefined {
    if (this.#candidates.length <= SMALL) return this.#best(this.#candidates, now, except, reach)
    this.#looked.length = 0
    for (let i = 0; i < DRAWN; i++) this.#looked.push(this.#candidates[this.#draw.draw()] as Candidate)
    return this.#best(this.#looked, now, except, reach) ?? this.#findFitting(now, except, reach)
  }

  /** Draws among those only that may be chosen. */
  #findFitting(now: number, except: ReadonlySet<Backend> | undefined, reach: Tier): Candidate | undefined {
    const openings = this.#openings
    openings.withholdAll(except)
    const total = openings.total(reach)
    this.#looked.length = 0
    for (let i = 0; i < DRAWN && total > 0; i++)
      this.#looked.push(this.#candidates[openings.at(this.#random() * total, reach)] as Candidate)
    openings.placeAll(except)
    return this.#best(this.#looked, now, except, reach)
  }

  #best(
    candidates: readonly Candidate[],
    now: number,
    except: ReadonlySet<Backend> | undefined,
    reach: Tier,
  ): Candidate | undefined {
    const fastest = this.#measure(candidates, now, except, reach)
    let best: Candidate | undefined
    let least = Number.POSITIVE_INFINITY
    for (const candidate of candidates) {
      const cost = this.#cost(candidate, fastest)
      // Not true of NaN, whatever it is compared with.
      if (cost < least) {
        best = candidate
        least = cost
      }
    }
    return best
  }

  /** Estimates anew how fast they are, NaN for those that may not be chosen. Returns the least. */
  #measure(
    candidates: readonly Candidate[],
    now: number,
    except: ReadonlySet<Backend> | undefined,
    reach: Tier,
  ): number {
    let fastest = Number.POSITIVE_INFINITY
    for (const candidate of candidates) {
      const { backend } = candidate
      if (!backend.takes(reach) || except?.has(backend)) {
        candidate.estimate = Number.NaN
        continue
      }
      candidate.estimate = estimateOf(backend, now)
      if (candidate.estimate < fastest) fastest = candidate.estimate
    }
    return fastest
  }

  /** @param fastest of those that are compared */
  #cost({ backend, account, estimate }: Candidate, fastest: number): number {
    const owed = estimate <= NEAR * fastest ? this.#owed(account, backend.weight) : 0
    return costOf(backend, estimate, owed)
  }

  #owed(account: Account, weight: number): number {
    return Math.max(0, Math.min(MOST, this.#dues.owed(account, weight)))
  }
}

/** In milliseconds. */
function estimateOf({ leases, responseTime }: Backend, now: number): number {
  const estimate = responseTime.estimate(now, leases.awaitedSince)
  return Math.max(UNTRIED, Math.min(UNKNOWN, estimate))
}

function costOf({ load, weight }: Backend, estimate: number, owed: number): number {
  return (estimate * (load + 1 - owed)) / weight
}

function inWords(estimate: number): string {
  if (estimate === UNTRIED) return 'not tried yet'
  if (estimate === UNKNOWN) return 'its first answer is waited for'
  return `answers in about ${estimate.toFixed(1)} ms`
}

function weightOf({ weight }: Backend): number {
  return weight
}
