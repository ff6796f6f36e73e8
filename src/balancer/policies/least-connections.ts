import type { Backend } from '../backend.js'
import { Chain, type Link } from '../chain.js'
import type { Policy, Preview } from './policy.js'

/** How many requests' worth of share a group may be behind or ahead, so that no past weighs for ever. */
const MEMORY = 2

/**
 * The backend with the fewest requests in flight for its weight. (With hedging, `load`: those that were overtaken count
 * as well.)
 *
 * The load compared is `(inFlight + 1) / weight`, what a backend would carry with this request, as HAProxy's
 * leastconn has it. By itself that comparison starves light backends: with weights 5 and 2 and one request
 * at a time the light one gets nothing, with three at a time it gets a third, because whole requests cannot
 * be split 5 to 2. So the backends of each weight remember, as in smooth weighted round robin
 * (https://github.com/nginx/nginx/commit/52327e0627f49dbda1e8db695e63a4b0af4448b1), how much of their share
 * they are owed, and that much, always less than one request, is taken off their load:
 *
 *     load = (inFlight + 1 - owed) / weight      0 <= owed < 1
 *
 * It follows that among backends of one weight none is chosen while another has fewer in flight, and that
 * weights come out at any concurrency. Equal loads go round: who has waited longest is next. All numbers are
 * whole, both sides being multiplied by the total weight and by each other's weight.
 *
 * Backends of one weight are a group and stand in it by their count. A choice looks at the first of each
 * group, so that its cost grows with the number of different weights, not of backends.
 */
export class LeastConnections implements Policy {
  readonly #random: () => number
  #groups: readonly Group[] = []
  #candidates = new Map<Backend, Candidate>()
  #totalWeight = 0
  #moves = 0

  constructor(random: () => number) {
    this.#random = random
  }

  update(eligible: readonly Backend[]): void {
    const before = this.#candidates
    const total = eligible.reduce((sum, { weight }) => sum + weight, 0)
    const scale = total / this.#totalWeight
    const owed = new Map(this.#groups.map((group) => [group.weight, Math.trunc(group.owed * scale)]))
    const groups = new Map<number, Group>()
    // Those that stood longest keep their turn. New ones come before them, in random order: gateways that
    // start together should not all begin with the same backend.
    const standing = (backend: Backend) => before.get(backend)?.since ?? -this.#random()
    const candidates = eligible
      .map((backend): Candidate => {
        const group = groups.get(backend.weight) ?? new Group(backend.weight, owed.get(backend.weight) ?? 0)
        groups.set(backend.weight, group)
        return { backend, group, level: FULL, since: standing(backend), previous: undefined, next: undefined }
      })
      .sort((a, b) => a.since - b.since)
    for (const candidate of candidates) {
      candidate.group.size++
      candidate.group.place(candidate)
    }
    this.#groups = [...groups.values()]
    this.#candidates = new Map(candidates.map((candidate) => [candidate.backend, candidate]))
    this.#totalWeight = total
  }

  changed(backend: Backend): void {
    const candidate = this.#candidates.get(backend)
    if (!candidate) return
    candidate.since = ++this.#moves
    candidate.group.place(candidate)
  }

  pick(_now: number, except?: ReadonlySet<Backend>): Backend | undefined {
    const best = this.#best(except)
    if (!best) {
      this.#undo()
      return undefined
    }
    best.group.owed = Math.max(-MEMORY * this.#totalWeight, best.group.owed - this.#totalWeight)
    return best.backend
  }

  explain(_now: number, except?: ReadonlySet<Backend>): Preview {
    const choice = this.#best(except)?.backend
    const total = this.#totalWeight
    const ranked = [...this.#candidates.values()]
      .map((candidate) => ({ candidate, load: this.#load(candidate, candidate.backend.load) }))
      .sort((a, b) => compare(a.load, a.candidate, b.load, b.candidate))
    const standings = ranked.map(({ candidate: { backend }, load }) => {
      const owed = backend.load + 1 - load / total
      return {
        backend,
        score: load / (total * backend.weight),
        probability: backend === choice ? 1 : 0,
        parts: { owed },
        note: `${backend.load} + 1 requests, less ${owed.toFixed(2)} owed, for weight ${backend.weight}`,
      }
    })
    this.#undo()
    return { choice, standings }
  }

  /** The next choice, for which each group is owed its part of one more request; {@link #undo} takes that back. */
  #best(except: ReadonlySet<Backend> | undefined): Candidate | undefined {
    const most = MEMORY * this.#totalWeight
    let best: Candidate | undefined
    let bestLoad = 0
    for (const group of this.#groups) {
      group.before = group.owed
      group.owed = Math.min(most, group.owed + group.size * group.weight)
      const candidate = except ? group.firstBut(except) : group.first
      if (!candidate) continue
      const load = this.#load(candidate, candidate.level)
      if (!best || compare(load, candidate, bestLoad, best) < 0) {
        best = candidate
        bestLoad = load
      }
    }
    return best
  }

  #undo(): void {
    for (const group of this.#groups) group.owed = group.before
  }

  /** With one more request than so many, times the total weight. */
  #load({ group }: Candidate, requests: number): number {
    const total = this.#totalWeight
    return (requests + 1) * total - Math.max(0, Math.min(total - 1, group.owed))
  }
}

/** Negative where the first of two is the better choice. */
function compare(load: number, one: Candidate, otherLoad: number, other: Candidate): number {
  return load * other.group.weight - otherLoad * one.group.weight || one.since - other.since
}

/** The level of a backend that is at its limit and not to be chosen. */
const FULL = -1

interface Candidate extends Link<Candidate> {
  readonly backend: Backend
  readonly group: Group
  /** Its `load`, by which it stands in its group; or FULL. */
  level: number
  /** When it came to that level: among equals the one that has been there longest is next. */
  since: number
}

/** Backends of one weight, by level. */
class Group {
  readonly weight: number
  size = 0
  /** What it has yet to get of its share, in requests times the total weight; negative where it is ahead. */
  owed: number
  /** The same before the latest choice. */
  before = 0
  readonly #levels: Chain<Candidate>[] = []
  /** No backend stands below this level. */
  #least = 0

  constructor(weight: number, owed: number) {
    this.weight = weight
    this.owed = owed
  }

  /** The backend with the fewest requests in flight; undefined where all are full. */
  get first(): Candidate | undefined {
    // Counts change by one, so this takes a step or two; more only after the least loaded one left or is full.
    while (this.#least < this.#levels.length) {
      const first = this.#levels[this.#least]?.first
      if (first) return first
      this.#least++
    }
    return undefined
  }

  /** The same among those that are not in `except`. */
  firstBut(except: ReadonlySet<Backend>): Candidate | undefined {
    for (let level = this.#least; level < this.#levels.length; level++) {
      let candidate = this.#levels[level]?.first
      while (candidate && except.has(candidate.backend)) candidate = candidate.next
      if (candidate) return candidate
    }
    return undefined
  }

  /** Puts a backend where its count says it belongs. */
  place(candidate: Candidate): void {
    if (candidate.level !== FULL) this.#levels[candidate.level]?.remove(candidate)
    const { backend } = candidate
    candidate.level = backend.isFull ? FULL : backend.load
    if (candidate.level === FULL) return
    while (this.#levels.length <= candidate.level) this.#levels.push(new Chain())
    this.#levels[candidate.level]?.append(candidate)
    if (candidate.level < this.#least) this.#least = candidate.level
  }
}
