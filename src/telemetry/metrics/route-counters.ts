import type { MirrorOutcome } from '../../proxy/mirror/mirror-options.js'
import type { RequestObserver, RequestOutcome } from '../record.js'
import { outcomes } from './backend-counters.js'
import { HISTOGRAM_WIDTH, Histogram } from './histogram.js'

/** What a route counted since the last time, as one thread tells it another. */
export interface RouteDelta {
  /**
   * The requests by the order of {@link outcomes}, the histogram of their durations, the {@link mirrorOutcomes}, and the
   * requests that the rate limit did not count.
   */
  numbers: Float64Array
  /** Requests that the gateway refused, by code. */
  refused: [code: string, count: number][]
}

const DURATION = outcomes.length
const MIRRORED = DURATION + HISTOGRAM_WIDTH
/** What becomes of copies of requests, in the order of their counts. */
export const mirrorOutcomes = ['sent', 'failed', 'dropped'] as const satisfies readonly MirrorOutcome[]
const UNCOUNTED = MIRRORED + mirrorOutcomes.length
const WIDTH = UNCOUNTED + 1

/** Counts the requests of one route. */
export class RouteCounters {
  readonly #numbers = new Float64Array(WIDTH)
  readonly duration = new Histogram(this.#numbers.subarray(DURATION, MIRRORED))
  /** Requests that the gateway refused, by code; the codes are those of the gateway, so there are few. */
  readonly refused = new Map<string, number>()
  /** Whether the route has a rate limit. */
  isLimited = false

  /** The observer of the route's requests that are over. */
  readonly observe: RequestObserver = ({ outcome, error, responseTime }) => {
    this.#add(outcomes.indexOf(outcome), 1)
    this.duration.add(responseTime / 1000)
    if (outcome === 'refused' && error !== null) this.#refuse(error, 1)
  }

  /** Counts a request that was to be copied. */
  readonly countMirrored = (outcome: MirrorOutcome): void => {
    this.#add(MIRRORED + mirrorOutcomes.indexOf(outcome), 1)
  }

  /** Requests that were to be copied, by what became of the copy. */
  mirrored(outcome: MirrorOutcome): number {
    return this.#numbers[MIRRORED + mirrorOutcomes.indexOf(outcome)] as number
  }

  /** Counts a request that could not be counted for the rate limit. */
  countUncounted(): void {
    this.#add(UNCOUNTED, 1)
  }

  /** Requests that could not be counted for the rate limit. */
  get uncounted(): number {
    return this.#numbers[UNCOUNTED] as number
  }

  requests(outcome: RequestOutcome): number {
    return this.#numbers[outcomes.indexOf(outcome)] as number
  }

  get total(): number {
    return outcomes.reduce((sum, outcome) => sum + this.requests(outcome), 0)
  }

  /** Returns what was counted, and begins again at 0; undefined where nothing was counted. */
  take(): RouteDelta | undefined {
    if (this.#numbers.every((count) => count === 0)) return undefined
    const delta = { numbers: this.#numbers.slice(), refused: [...this.refused] }
    this.#numbers.fill(0)
    this.refused.clear()
    return delta
  }

  /** Adds what another thread counted. */
  add({ numbers, refused }: RouteDelta): void {
    for (let i = 0; i < WIDTH; i++) this.#add(i, numbers[i] as number)
    for (const [code, count] of refused) this.#refuse(code, count)
  }

  #add(at: number, amount: number): void {
    this.#numbers[at] = (this.#numbers[at] as number) + amount
  }

  #refuse(code: string, count: number): void {
    this.refused.set(code, (this.refused.get(code) ?? 0) + count)
  }
}
