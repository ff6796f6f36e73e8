import type { Clock } from '../time/clock.js'
import type { HeardCounts } from './counts-exchange.js'

/** What a gateway said counts in full for so long; one that lives says it again each second. */
export const FULL_MS = 1500
/** What a gateway said does not count any more after so long, which is the time of its lease. */
export const FORGOTTEN_MS = 5000
/** Messages are added up together that arrive within this time. */
export const GATHER_MS = 100
/** Time between two steps of the fading. */
const STEP_MS = 250

/** What all other gateways together have on one backend. */
export interface ElsewhereLoad {
  /** Requests in flight; a fraction while counts fade. */
  inFlight: number
  /** Those of them that count as load, which tunnels without traffic do not. */
  load: number
}

/** Takes what other gateways have on the backends of a pool. */
export interface ElsewhereSink {
  /**
   * @param totals by URL of backend, where they have changed
   * @param gateways number of other gateways that are heard; one whose counts fade counts in part
   */
  set(totals: ReadonlyMap<string, Readonly<ElsewhereLoad>>, gateways: number): void
}

/**
 * Adds up the requests that other gateways have in flight on each backend of a pool. The counts of a gateway that is
 * not heard any more fade to 0, because nobody knows whether its requests are over.
 */
export class ElsewhereCounts {
  readonly #clock: Clock
  readonly #sink: ElsewhereSink
  /** By gateway: what it said last, and when. */
  readonly #said = new Map<string, { counts: HeardCounts; at: number }>()
  /** When the timer fires that adds up next; undefined while there is none. */
  #dueAt: number | undefined
  #cancelTimer = () => {}
  /** What was added up last. */
  #totals: ReadonlyMap<string, Readonly<ElsewhereLoad>> = new Map()
  #gateways = 0

  constructor(clock: Clock, sink: ElsewhereSink) {
    this.#clock = clock
    this.#sink = sink
  }

  /** Tells the sink again what others have on a backend, which it may not have known before. */
  again(url: string): void {
    const total = this.#totals.get(url)
    if (total) this.#sink.set(new Map([[url, total]]), this.#gateways)
  }

  /** Takes what a gateway said, which replaces what it said before. */
  heard(counts: HeardCounts): void {
    this.#said.set(counts.gateway, { counts, at: this.#clock.now() })
    this.#addUpIn(GATHER_MS)
  }

  /** Forgets what a gateway said. */
  left(gateway: string): void {
    if (this.#said.delete(gateway)) this.#addUpIn(GATHER_MS)
  }

  /** Forgets what all gateways said, at once. */
  close(): void {
    this.#said.clear()
    this.#cancelTimer()
    this.#addUp()
  }

  /** Adds up after this time in milliseconds, or before. */
  #addUpIn(delay: number): void {
    const dueAt = this.#clock.now() + delay
    if (this.#dueAt !== undefined && this.#dueAt <= dueAt) return
    this.#cancelTimer()
    this.#dueAt = dueAt
    this.#cancelTimer = this.#clock.after(delay, () => this.#addUp())
  }

  #addUp(): void {
    this.#dueAt = undefined
    const now = this.#clock.now()
    const sums = new Map<string, ElsewhereLoad>()
    let gateways = 0
    let next = Number.POSITIVE_INFINITY
    for (const [gateway, { counts, at }] of this.#said) {
      const age = now - at
      if (age >= FORGOTTEN_MS) {
        this.#said.delete(gateway)
        continue
      }
      next = Math.min(next, Math.max(STEP_MS, FULL_MS - age))
      const weight = Math.min(1, (FORGOTTEN_MS - age) / (FORGOTTEN_MS - FULL_MS))
      gateways += weight
      addTo(sums, counts, weight)
    }
    if (next < Number.POSITIVE_INFINITY) this.#addUpIn(next)
    const changed = changedTotals(this.#totals, sums)
    const isNews = changed.size > 0 || gateways !== this.#gateways
    this.#totals = sums
    this.#gateways = gateways
    if (isNews) this.#sink.set(changed, gateways)
  }
}

const none: Readonly<ElsewhereLoad> = { inFlight: 0, load: 0 }

/** Returns the totals of `after` that are others than before. */
function changedTotals(
  before: ReadonlyMap<string, Readonly<ElsewhereLoad>>,
  after: ReadonlyMap<string, Readonly<ElsewhereLoad>>,
): Map<string, Readonly<ElsewhereLoad>> {
  const changed = new Map<string, Readonly<ElsewhereLoad>>()
  for (const [url, total] of after) {
    const known = before.get(url) ?? none
    if (known.inFlight !== total.inFlight || known.load !== total.load) changed.set(url, total)
  }
  for (const url of before.keys()) if (!after.has(url)) changed.set(url, none)
  return changed
}

function addTo(
  sums: Map<string, ElsewhereLoad>,
  { urls, inFlight, quiet }: HeardCounts,
  weight: number,
): void {
  for (let place = 0; place < inFlight.length; place++) {
    const count = weight * (inFlight[place] as number)
    if (count === 0) continue
    const url = urls[place] as string
    const sum = sums.get(url)
    if (sum) {
      sum.inFlight += count
      sum.load += count
    } else sums.set(url, { inFlight: count, load: count })
  }
  for (const [place, count] of quiet) {
    const sum = sums.get(urls[place] as string)
    if (sum) sum.load = Math.max(0, sum.load - weight * count)
  }
}
