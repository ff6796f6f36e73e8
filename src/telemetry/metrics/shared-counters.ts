import type { Backend } from '../../balancer/backends/backend.js'
import { Columns } from '../../balancer/threads/columns.js'
import { BLOCK_ROWS } from '../../balancer/threads/row-blocks.js'
import type { PoolTable } from '../../balancer/threads/table.js'
import { BACKEND_WIDTH, BackendCounters } from './backend-counters.js'
import { type ErrorCounts, expectedCodes, MAX_ERROR_CODES, OTHER_CODES } from './error-counts.js'
import { HISTOGRAM_WIDTH, Histogram } from './histogram.js'
import type { CounterMemory, PoolCounters } from './request-counters.js'
import { SharedNames } from './shared-names.js'

/** The names of the buffers in `further`, of a block of rows and of the table. */
const BACKENDS = 'requestCounters'
const POOL = 'poolCounters'
const CODES = 'errorCodes'

/** The numbers of the pool in a worker's column: time in the queue, then a count for each error code, and for others. */
const ERRORS = HISTOGRAM_WIDTH
const OTHER_ERRORS = ERRORS + MAX_ERROR_CODES
const POOL_WIDTH = OTHER_ERRORS + 1

/** The row of requests that no backend had. */
const NO_BACKEND_ROW = 0

/** The request counters of a pool that threads share. Each worker counts in columns of its own, which outlast it. */
export class SharedCounters {
  readonly backends: Columns
  readonly pool: Columns
  readonly codes: SharedNames

  private constructor({ workers, buffers, blocks }: PoolTable) {
    const { [POOL]: pool, [CODES]: codes } = buffers.further
    this.backends = new Columns(backendsSize(workers))
    blocks.each(({ further }) => this.backends.add(further[BACKENDS] as SharedArrayBuffer))
    this.pool = new Columns(poolSize(workers), pool as SharedArrayBuffer)
    this.codes = new SharedNames(codes as SharedArrayBuffer, MAX_ERROR_CODES)
  }

  /** Allocates the counters of a pool that this thread controls. Workers that are connected later count in them. */
  static allocate(table: PoolTable): SharedCounters {
    const { buffers, workers, blocks, onClear } = table
    blocks.each(({ further }) => {
      further[BACKENDS] = Columns.allocate(backendsSize(workers))
    })
    buffers.further[POOL] = Columns.allocate(poolSize(workers))
    buffers.further[CODES] = SharedNames.allocate(MAX_ERROR_CODES)
    const counters = new SharedCounters(table)
    for (const code of expectedCodes) counters.codes.add(code)
    onClear.push((row) => {
      for (let worker = 0; worker < workers; worker++) counters.backends.of(worker, row).fill(0)
    })
    return counters
  }

  /** Returns the counters of a pool that another thread controls; undefined where it does not count. */
  static of(table: PoolTable): SharedCounters | undefined {
    return table.buffers.further[POOL] && new SharedCounters(table)
  }

  /** Returns the part of the counters in which a worker counts. */
  memoryOf(worker: number): CounterMemory {
    const pool = this.pool.of(worker, 0)
    return {
      backend: (backend) => new BackendCounters(this.backends.of(worker, backend?.row ?? NO_BACKEND_ROW)),
      queueWait: new Histogram(pool.subarray(0, ERRORS)),
      errors: new WorkerErrorCounts(pool, this.codes),
    }
  }

  /** Returns the counters of all workers together, which are added up when they are read. */
  summed(): PoolCounters {
    const { backends, pool, codes } = this
    return {
      get none() {
        return new BackendCounters(backends.sums(NO_BACKEND_ROW))
      },
      get queueWait() {
        return new Histogram(pool.sums(0).subarray(0, ERRORS))
      },
      get errors() {
        return new WorkerErrorCounts(pool.sums(0), codes)
      },
      of: ({ row }: Backend) => new BackendCounters(backends.sums(row)),
    }
  }
}

/** Counts errors by the numbers of their codes. */
class WorkerErrorCounts implements ErrorCounts {
  readonly #numbers: Float64Array
  readonly #codes: SharedNames
  /** Where each code is counted. */
  readonly #places = new Map<string, number>()

  constructor(numbers: Float64Array, codes: SharedNames) {
    this.#numbers = numbers
    this.#codes = codes
  }

  add(code: string): void {
    const at = this.#places.get(code) ?? this.#find(code)
    this.#numbers[at] = (this.#numbers[at] as number) + 1
  }

  *[Symbol.iterator](): Generator<[string, number]> {
    const counts = new Map<string, number>()
    for (let number = 0; number < MAX_ERROR_CODES; number++) {
      const code = this.#codes.at(number)
      if (code === undefined) continue
      counts.set(code, (counts.get(code) ?? 0) + (this.#numbers[ERRORS + number] as number))
    }
    const others = this.#numbers[OTHER_ERRORS] as number
    if (others > 0) counts.set(OTHER_CODES, (counts.get(OTHER_CODES) ?? 0) + others)
    yield* counts
  }

  #find(code: string): number {
    const number = this.#codes.add(code)
    if (number === undefined) return OTHER_ERRORS
    this.#places.set(code, ERRORS + number)
    return ERRORS + number
  }
}

function backendsSize(workers: number) {
  return { workers, rows: BLOCK_ROWS, width: BACKEND_WIDTH }
}

function poolSize(workers: number) {
  return { workers, rows: 1, width: POOL_WIDTH }
}
