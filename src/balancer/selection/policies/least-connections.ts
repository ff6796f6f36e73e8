import type { Backend } from '../../backends/backend.js'
import { LoadCandidate, LoadGroup } from '../candidates/load-groups.js'
import { WeightGroups } from '../candidates/weight-groups.js'
import type { Tier } from '../tier.js'
import { elsewherePart, loadNote } from './load-note.js'
import type { CandidateScore, PickContext, Policy, Preview } from './policy.js'

/**
 * Largest number of requests that a group may be behind or ahead of its share, so that the past does not count for
 * ever.
 */
export const MAX_DEFICIT = 2

/**
 * Chooses the backend with the fewest requests in flight for its weight. (`load` is compared, which with hedging
 * includes the requests that a hedge took away.)
 *
 * The load compared is `(inFlight + 1) / weight`, which is the load of a backend with this request included, as in
 * HAProxy's leastconn (https://docs.haproxy.org/3.0/configuration.html#balance). That comparison alone would starve
 * light backends: with weights 5 and 2 the light backend would get nothing at one request at a time, and a third at
 * three at a time, because whole requests cannot be split 5 to 2. Therefore the backends of each weight have a deficit,
 * the part of their share that they have yet to get, as in nginx' smooth weighted round robin
 * (https://github.com/nginx/nginx/commit/52327e0627f49dbda1e8db695e63a4b0af4448b1). The deficit is subtracted from
 * their load, but always less than one request:
 *
 *     load = (inFlight + 1 - deficit) / weight      0 <= deficit < 1
 *
 * It follows that a backend is never chosen while another one of the same weight has fewer requests in flight, and that
 * shares follow the weights at any concurrency. Backends of equal load take turns: the one that has had its load for
 * longest is next. All numbers are whole, because both sides of a comparison are multiplied by the total weight and by
 * the other backend's weight.
 *
 * A choice looks at the first backend of each tier of each weight, so its cost grows with the number of different
 * weights, and not with the number of backends.
 */
export class LeastConnections implements Policy {
  readonly #random: () => number
  readonly #groups: WeightGroups<LoadGroup, LoadCandidate>
  #totalWeight = 0
  /** A number that grows with each candidate that is placed. */
  #placements = 0

  /** @param countsQuietTunnels true if a tunnel without traffic counts like any request */
  constructor(random: () => number, countsQuietTunnels = false) {
    this.#random = random
    this.#groups = new WeightGroups<LoadGroup, LoadCandidate>({
      makeGroup: (weight) => new LoadGroup(weight),
      makeCandidate: (backend, group) => new LoadCandidate(backend, group, countsQuietTunnels),
      place: (candidate) => this.#place(candidate),
    })
  }

  update(eligible: readonly Backend[]): void {
    const totalWeight = eligible.reduce((sum, { weight }) => sum + weight, 0)
    for (const group of this.#groups.list)
      group.deficit = Math.trunc(group.deficit * (totalWeight / this.#totalWeight))
    this.#totalWeight = totalWeight
    this.#groups.update(eligible, this.#random)
  }

  changed(backend: Backend): void {
    const candidate = this.#groups.candidates.get(backend)
    if (candidate) this.#place(candidate)
  }

  retiered(backend: Backend): void {
    this.changed(backend)
  }

  pick({ except, reach }: PickContext): Backend | undefined {
    const best = this.#findBest(except, reach)
    if (!best) {
      this.#restoreDeficits()
      return undefined
    }
    const { group, backend } = best
    group.deficit = Math.max(-MAX_DEFICIT * this.#totalWeight, group.deficit - this.#totalWeight)
    return backend
  }

  explain({ except, reach }: PickContext): Preview {
    const choice = this.#findBest(except, reach)?.backend
    const total = this.#totalWeight
    const ranked = [...this.#groups.candidates.values()]
      .map((candidate) => ({ candidate, load: this.#loadWith(candidate, candidate.load) }))
      .sort((a, b) => compare(a.load, a.candidate, b.load, b.candidate))
    const scores = ranked.map(({ candidate, load }) => {
      const { backend, load: requests } = candidate
      return loadScore(backend, requests, load, total, backend === choice)
    })
    this.#restoreDeficits()
    return { choice, scores }
  }

  #place(candidate: LoadCandidate): void {
    candidate.since = ++this.#placements
    candidate.group.place(candidate)
  }

  /**
   * Returns the next choice. It adds to the deficit of each group that group's part of one more request; {@link
   * #restoreDeficits} takes that back.
   */
  #findBest(except: ReadonlySet<Backend> | undefined, reach: Tier): LoadCandidate | undefined {
    const max = MAX_DEFICIT * this.#totalWeight
    let best: LoadCandidate | undefined
    let bestLoad = 0
    for (const group of this.#groups.list) {
      group.deficitBefore = group.deficit
      group.deficit = Math.min(max, group.deficit + group.size * group.weight)
      const candidate = group.first(except, reach)
      if (!candidate) continue
      const load = this.#loadWith(candidate, candidate.placedLoad)
      if (!best || compare(load, candidate, bestLoad, best) < 0) {
        best = candidate
        bestLoad = load
      }
    }
    return best
  }

  #restoreDeficits(): void {
    for (const group of this.#groups.list) group.deficit = group.deficitBefore
  }

  /**
   * Returns the load of a candidate with one more request than `requests`, less its deficit, times the total weight.
   */
  #loadWith({ group }: LoadCandidate, requests: number): number {
    const total = this.#totalWeight
    return (requests + 1) * total - Math.max(0, Math.min(total - 1, group.deficit))
  }
}

/**
 * Compares two candidates; negative where the first is the better choice. Among equals, one with a limited share goes
 * first, because it has its turn now.
 */
function compare(load: number, one: LoadCandidate, otherLoad: number, other: LoadCandidate): number {
  const difference = load * other.group.weight - otherLoad * one.group.weight
  return difference || other.tier - one.tier || one.since - other.since
}

/**
 * Returns the comparison of a backend with the others.
 * @param requests the load of the backend
 * @param load the load with one more request, less the deficit, times the total weight
 */
export function loadScore(
  backend: Backend,
  requests: number,
  load: number,
  totalWeight: number,
  isChosen: boolean,
): CandidateScore {
  const owed = requests + 1 - load / totalWeight
  return {
    backend,
    score: load / (totalWeight * backend.weight),
    probability: isChosen ? 1 : 0,
    parts: { owed, ...elsewherePart(backend) },
    note: `${loadNote(requests, backend)} + 1 requests, less ${owed.toFixed(2)} owed, for weight ${backend.weight}`,
  }
}
