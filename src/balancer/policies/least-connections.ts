import type { Backend } from '../backend.js'
import type { Policy } from './policy.js'

/** How many requests' worth of share a backend may be behind or ahead, so that no past weighs for ever. */
const MEMORY = 2

interface Candidate {
  readonly backend: Backend
  /** What it has yet to get of its share, in requests times the total weight; negative where it is ahead. */
  owed: number
  /** When it was chosen last; the first turns are random, so that gateways that start together differ. */
  turn: number
}

/**
 * The backend with the fewest requests in flight for its weight.
 *
 * The load compared is `(inFlight + 1) / weight`, what a backend would carry with this request, as HAProxy's
 * leastconn has it. By itself that comparison starves light backends: with weights 5 and 2 and one request
 * at a time the light one gets nothing, with three at a time it gets a third, because whole requests cannot
 * be split 5 to 2. So each backend remembers, as in smooth weighted round robin
 * (https://github.com/nginx/nginx/commit/52327e0627f49dbda1e8db695e63a4b0af4448b1), how much of its share it
 * is owed, and that much, always less than one request, is taken off its load:
 *
 *     load = (inFlight + 1 - owed) / weight      0 <= owed < 1
 *
 * It follows that among backends of one weight none is chosen while another has fewer in flight, and that
 * weights come out exactly at any concurrency. Equal loads go round in turn.
 *
 * All numbers are whole: both sides are multiplied by the total weight and by each other's weight.
 */
export class LeastConnections implements Policy {
  readonly #random: () => number
  #candidates: readonly Candidate[] = []
  #totalWeight = 0
  #turn = 0

  constructor(random: () => number) {
    this.#random = random
  }

  update(eligible: readonly Backend[]): void {
    const known = new Map(this.#candidates.map((candidate) => [candidate.backend, candidate]))
    const before = this.#totalWeight
    this.#totalWeight = eligible.reduce((sum, backend) => sum + backend.weight, 0)
    this.#candidates = eligible.map((backend) => {
      const old = known.get(backend)
      if (!old) return { backend, owed: 0, turn: -this.#random() }
      return { backend, owed: Math.trunc((old.owed / before) * this.#totalWeight), turn: old.turn }
    })
  }

  pick(): Backend | undefined {
    const total = this.#totalWeight
    const most = MEMORY * total
    let best: Candidate | undefined
    let bestLoad = 0
    for (const candidate of this.#candidates) {
      const { backend } = candidate
      candidate.owed = Math.min(most, candidate.owed + backend.weight)
      if (backend.isFull) continue
      const load = (backend.inFlight + 1) * total - Math.max(0, Math.min(total - 1, candidate.owed))
      const difference = best ? load * best.backend.weight - bestLoad * backend.weight : -1
      if (difference < 0 || (difference === 0 && best && candidate.turn < best.turn)) {
        best = candidate
        bestLoad = load
      }
    }
    if (!best) return undefined
    best.owed = Math.max(-most, best.owed - total)
    best.turn = ++this.#turn
    return best.backend
  }
}
