import { InvalidBackendError } from '../errors.js'
import type { BackendMemory, PoolMemory, PoolNumber, RecentCount, RecentEvent } from '../memory.js'
import { poolNumbers, recentEvents } from '../memory.js'
import { Latency } from '../stats/latency.js'
import { ResponseTime } from '../stats/response-time.js'
import type { Clock } from '../time/clock.js'
import { FailureNews } from './failure-news.js'
import { SharedHealth } from './shared-health.js'
import { SharedLoadCounter } from './shared-load-counter.js'
import { SharedMeasures, SharedSamples } from './shared-measures.js'
import { SharedSlidingCount, SLICES_WIDTH } from './shared-sliding-count.js'
import { type PoolTable, poolColumn, poolMeasure, ROW_COUNT, word } from './table.js'

/**
 * As long as there is room for more rows, this many are free before one is used again: what is told of a request that
 * was the last on a removed backend, like its duration, comes a little later than its end.
 */
const MIN_FREE_ROWS = 32

/** The memory of a pool that threads share, as one of them sees it. */
export class SharedMemory implements PoolMemory {
  readonly isShared = true
  readonly table: PoolTable
  /** Number of this worker; undefined in the control plane. */
  readonly worker: number | undefined
  /** Tells which backends failed in other threads. */
  readonly news: FailureNews
  readonly #numbers: Float64Array | undefined
  /** The next row that was never used. */
  #nextRow = 1
  /** Rows of backends that were removed, the first one longest ago. */
  readonly #freeRows: number[] = []

  constructor(table: PoolTable, worker?: number) {
    this.table = table
    this.worker = worker
    this.news = new FailureNews(table)
    this.#numbers = worker === undefined ? undefined : table.pool.of(worker, 0)
  }

  backend(tunnelWeight: number, row = this.#takeRow()): BackendMemory {
    const measures = new SharedMeasures(this.table, row)
    return {
      row,
      counter: new SharedLoadCounter(this.table, row, this.worker, tunnelWeight),
      healthMemory: new SharedHealth(this.table, row, this.news, this.worker === undefined),
      latency: new Latency(new SharedSamples(this.table, row), measures),
      responseTime: this.worker === undefined ? new ResponseTime(measures) : new WorkerResponseTime(measures),
    }
  }

  forget(row: number): void {
    this.#freeRows.push(row)
  }

  recent(event: RecentEvent, windowMs: number, clock: Clock): RecentCount {
    const { pool, blocks } = this.table
    const measures = blocks.measuresOf(0)
    const at = poolColumn.recent + recentEvents.indexOf(event) * SLICES_WIDTH
    if (this.worker === undefined) measures[poolMeasure.startedAt] ||= clock.now()
    const startedAt = () => measures[poolMeasure.startedAt] as number
    return new SharedSlidingCount(pool, at, this.worker, windowMs, clock, startedAt)
  }

  count(number: PoolNumber): void {
    const numbers = this.#numbers as Float64Array
    const at = poolNumbers.indexOf(number)
    numbers[at] = (numbers[at] as number) + 1
  }

  counted(number: PoolNumber): number {
    return this.table.pool.sum(0, poolNumbers.indexOf(number))
  }

  /** Returns a row for a new backend. A row that was used before is taken only once no request is counted in it. */
  #takeRow(): number {
    const { blocks } = this.table
    if (this.#nextRow < blocks.rows) return this.#nextRow++
    const isLast = this.#nextRow === ROW_COUNT
    const row = isLast || this.#freeRows.length >= MIN_FREE_ROWS ? this.#takeFreeRow() : undefined
    if (row !== undefined) return row
    if (isLast) {
      throw new InvalidBackendError(
        'url',
        `is one too many: several threads share at most ${ROW_COUNT - 1} backends`,
      )
    }
    this.table.addBlock()
    return this.#nextRow++
  }

  #takeFreeRow(): number | undefined {
    const { words } = this.table
    const i = this.#freeRows.findIndex((row) => words[this.table.wordAt(row, word.inFlight)] === 0)
    if (i === -1) return undefined
    const [row] = this.#freeRows.splice(i, 1) as [number]
    this.table.clear(row)
    return row
  }
}

/** The response times of a backend in a worker, which leaves it to the control plane to say when they no longer apply. */
class WorkerResponseTime extends ResponseTime {
  override forget(): void {}
}
