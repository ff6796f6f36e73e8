import { SLICE_COUNT } from '../stats/sliding-count.js'
import type { Clock } from '../time/clock.js'
import type { Columns } from './columns.js'

/** Number of numbers in a worker's column for one event: the number of a slice and its count, for each slice. */
export const SLICES_WIDTH = 2 * SLICE_COUNT

/**
 * Counts how often an event happened within a sliding window of time, in all workers of a pool. Each worker counts in
 * slices of its own, so the sum is exact as soon as the workers rest; see `SlidingCount`.
 */
export class SharedSlidingCount {
  /** The slices of each worker. */
  readonly #slices: Float64Array[]
  readonly #own: Float64Array | undefined
  readonly #clock: Clock
  readonly #sliceMs: number
  readonly #startedAt: () => number

  /**
   * @param at the place of the event in a worker's column
   * @param worker number of this worker; undefined in the control plane
   * @param startedAt returns the monotonic milliseconds at which the pool began to count
   */
  constructor(
    columns: Columns,
    at: number,
    worker: number | undefined,
    windowMs: number,
    clock: Clock,
    startedAt: () => number,
  ) {
    this.#slices = Array.from({ length: columns.size.workers }, (_, number) =>
      columns.of(number, 0).subarray(at, at + SLICES_WIDTH),
    )
    this.#own = worker === undefined ? undefined : this.#slices[worker]
    this.#clock = clock
    this.#sliceMs = windowMs / SLICE_COUNT
    this.#startedAt = startedAt
  }

  add(): void {
    const own = this.#own
    if (!own) throw new Error('the control plane of a pool carries no request')
    const slice = Math.floor(this.#clock.now() / this.#sliceMs)
    const i = 2 * (slice % SLICE_COUNT)
    if (own[i] !== slice) {
      // Whoever reads between these lines must not see an old count in the new slice.
      own[i + 1] = 0
      own[i] = slice
    }
    own[i + 1] = (own[i + 1] as number) + 1
  }

  get sum(): number {
    const oldest = Math.floor(this.#clock.now() / this.#sliceMs) - SLICE_COUNT + 1
    let sum = 0
    for (const slices of this.#slices)
      for (let i = 0; i < SLICES_WIDTH; i += 2)
        if ((slices[i] as number) >= oldest) sum += slices[i + 1] as number
    return sum
  }

  /** The number of events per second. */
  get rate(): number {
    const now = this.#clock.now()
    // The newest slice is not over yet, and a pool that is younger than the window has seen only a part of it.
    const whole = (SLICE_COUNT - 1) * this.#sliceMs + (now % this.#sliceMs)
    const seen = Math.min(now - this.#startedAt(), whole)
    return seen > 0 ? (1000 * this.sum) / seen : 0
  }
}
