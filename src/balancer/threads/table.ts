// Over 200 lines: the whole layout of the memory that threads share.
import { MAX_WEIGHT } from '../backends/spec.js'
import { KEY_SLOTS, KeyCounts } from '../selection/affinity/key-counts.js'
import { Columns } from './columns.js'
import { Doorbells } from './doorbell.js'
import { type BlockBuffers, RowBlocks } from './row-blocks.js'

/** Largest number of rows: the pool itself has row 0, and each backend one of the others. It is a power of 2. */
export const ROW_COUNT = 4096

/** Number of Int32 words in a row, which are one cache line of 64 bytes. */
export const ROW_WORDS = 16

/** The words of a backend's row. All threads change them, and so only by atomic operations. */
export const word = {
  /** Number of requests in flight. */
  inFlight: 0,
  /** The stamp of the last change of the load; see {@link PoolTable.nextStamp}. */
  changed: 1,
  /** The stamp of the last time that the backend was chosen in its turn. */
  chosen: 2,
  /** Number of tunnels, and of those without traffic. */
  tunnels: 3,
  quietTunnels: 4,
  /** Number of requests that a hedge took away and that still count. */
  residual: 5,
  /** Number of failures since the last success. */
  streak: 6,
  /** The probe of an ejected backend: 0 for none, 1 while the backend waits for one, else 2 and the worker's number. */
  probe: 7,
  /** Number of latencies that were measured. */
  samples: 8,
  /**
   * What `load` has beside this pool's requests, in steps of 1 / {@link LOAD_STEPS}: `residual`, and what the requests of
   * other gateways count.
   */
  extraLoad: 9,
  /** Largest number of requests in flight; 2^31 - 1 for no limit. Only the control plane writes it. */
  slots: 10,
} as const

/** Stands for no limit on the requests in flight, and for a load that is more than any. */
export const MAX_INT32 = 0x7f_ff_ff_ff

/** The words of row 0, which belong to the pool. */
export const poolWord = {
  /** The stamp that was given last. */
  stamp: 0,
  /** Number of requests that wait, in all workers. */
  waiting: 1,
  /** Number of ejected backends that wait for a probe. */
  due: 2,
  /** A number that grows with each change of a failure rate, so that each worker notices it. */
  failures: 3,
  /** A number that grows with each slot that becomes free while requests wait; see `SharedQueues`. */
  round: 4,
  /** 1 once the control plane has closed the pool. */
  closed: 15,
} as const

/** Number of Int32 words that each worker has for calls to its queue, which are one cache line. */
export const CALL_WORDS = 16

/** The words for calls to a worker's queue; see `SharedQueues`. */
export const callWord = {
  /** Monotonic milliseconds, as an Int32, at which the worker was called for a free slot; 0 once it has answered. */
  calledAt: 0,
  /** The latest round in which the worker found no backend for its waiting requests. */
  missed: 1,
} as const

/** The numbers in a row of measurements. Each is written as a whole; of two writes at once, one may be lost. */
export const measure = {
  peak: 0,
  peakAt: 1,
  typical: 2,
  typicalAt: 3,
  /** The failure mark of `HealthMemory`. It is changed only by atomic operations on its bits. */
  failureMark: 4,
  ewma: 5,
  ewmaAt: 6,
  /** Monotonic milliseconds at which slow start began; 0 for none. Only the control plane writes it. */
  slowStartAt: 7,
  /** Monotonic milliseconds since which an ejected backend waits for a probe. */
  dueAt: 8,
  /** Requests that other gateways have in flight. Only the control plane writes it. */
  inFlightElsewhere: 9,
  /** What those count in the load. Only the control plane writes it. */
  countedElsewhere: 10,
} as const

/** The numbers of row 0 of the measurements, which belong to the pool. */
export const poolMeasure = {
  /** Monotonic milliseconds at which the pool began. Only the control plane writes it. */
  startedAt: 0,
} as const

/** The numbers in a worker's column for one backend. Only that worker writes them. */
export const column = {
  inFlight: 0,
  tunnels: 1,
  quietTunnels: 2,
  total: 3,
  ok: 4,
  failed: 5,
  cancelled: 6,
  doubtful: 7,
  /** Monotonic milliseconds at which the longest wait for an answer began; 0 for none. */
  awaitedSince: 8,
} as const

/** Number of deficits by weight, from 0 to the largest weight: see `SharedDeficits`. */
export const DEFICIT_COUNT = MAX_WEIGHT + 1

/** The buffers of a table, which are handed to each thread. */
export interface TableBuffers {
  workers: number
  words: SharedArrayBuffer
  /** The blocks of rows; see `RowBlocks`. */
  blocks: BlockBuffers[]
  pool: SharedArrayBuffer
  bells: SharedArrayBuffer
  calls: SharedArrayBuffer
  news: SharedArrayBuffer
  deficits: SharedArrayBuffer
  keys: SharedArrayBuffer
  /** What others than the core count for the pool in the same way, by names of theirs. */
  further: Record<string, SharedArrayBuffer>
}

/** Number of changes of failure rates that are kept for threads that have not seen them yet; a power of 2. */
export const NEWS_KEPT = 256

/** Number of counters of the pool in each worker's column. */
export const POOL_WIDTH = 256

/** The numbers of the pool in a worker's column; the first ones are those of `poolNumbers`. */
export const poolColumn = {
  /** Recent events, 20 numbers for each of `recentEvents`; see `SharedSlidingCount`. */
  recent: 128,
  /** Number of requests that wait in this worker. */
  waiting: 249,
  /** Monotonic milliseconds at which the first of them began to wait; meaningful only where there is one. */
  waitingSince: 250,
  /** Number of requests that got a slot only because the timer of the queue looked for one. */
  servedByTimer: 251,
  /** Number of times that a worker took this place. */
  starts: 252,
  /** The part of the last second in which the worker's event loop was busy, and its delay in that second in ms. */
  eventLoopUtilization: 253,
  eventLoopDelay: 254,
  /** A number that grows as long as the worker's event loop turns. */
  beat: 255,
} as const

/** The table of a pool in memory that threads share: a row for the pool and one for each backend. */
export class PoolTable {
  readonly workers: number
  readonly words: Int32Array
  /** Measurements, latencies and each worker's numbers for each backend; see {@link measure} and {@link column}. */
  readonly blocks: RowBlocks
  /** Each worker's numbers for each backend; see {@link column}. */
  readonly columns: Columns
  /** Each worker's numbers for the pool. */
  readonly pool: Columns
  /** One for each worker. */
  readonly bells: Doorbells
  /** The calls to the queue of each worker; see {@link callWord}. */
  readonly calls: Int32Array
  /** The latest changes of failure rates; see `FailureNews`. */
  readonly news: Int32Array
  /** The deficits of the weights in the policy for requests, and after them those in the policy for upgrades. */
  readonly deficits: Int32Array
  /** The requests in flight of each key, in a column for each worker; see `KeyCounts`. */
  readonly keys: readonly Int32Array[]
  readonly buffers: TableBuffers
  /** Called with a row that becomes that of another backend, in the control plane. */
  readonly onClear: ((row: number) => void)[] = []

  constructor(buffers: TableBuffers) {
    this.buffers = buffers
    this.workers = buffers.workers
    this.words = new Int32Array(buffers.words)
    this.blocks = new RowBlocks(buffers.workers)
    for (const [index, block] of buffers.blocks.entries()) this.blocks.attach(index, block)
    this.news = new Int32Array(buffers.news)
    this.columns = this.blocks.columns
    this.bells = new Doorbells(buffers.bells)
    this.deficits = new Int32Array(buffers.deficits)
    const keyBytes = KEY_SLOTS * Int32Array.BYTES_PER_ELEMENT
    this.keys = Array.from(
      { length: buffers.workers },
      (_, worker) => new Int32Array(buffers.keys, worker * keyBytes, KEY_SLOTS),
    )
    this.calls = new Int32Array(buffers.calls)
    this.pool = new Columns({ workers: buffers.workers, rows: 1, width: POOL_WIDTH }, buffers.pool)
  }

  /** @param workers largest number of threads that carry traffic at the same time */
  static create(workers: number): PoolTable {
    const table = new PoolTable({
      workers,
      words: new SharedArrayBuffer(ROW_COUNT * ROW_WORDS * Int32Array.BYTES_PER_ELEMENT),
      blocks: [],
      pool: Columns.allocate({ workers, rows: 1, width: POOL_WIDTH }),
      bells: Doorbells.allocate(workers),
      calls: new SharedArrayBuffer(workers * CALL_WORDS * Int32Array.BYTES_PER_ELEMENT),
      news: new SharedArrayBuffer(NEWS_KEPT * Int32Array.BYTES_PER_ELEMENT),
      deficits: new SharedArrayBuffer(2 * DEFICIT_COUNT * Int32Array.BYTES_PER_ELEMENT),
      keys: new SharedArrayBuffer(workers * KEY_SLOTS * Int32Array.BYTES_PER_ELEMENT),
      further: {},
    })
    table.addBlock()
    return table
  }

  /** Allocates memory for further rows, in the control plane. */
  addBlock(): void {
    this.buffers.blocks.push(this.blocks.allocate())
  }

  /** @param worker number of this worker; undefined in the control plane, which carries no request */
  keyCounts(worker: number | undefined): KeyCounts {
    return new KeyCounts(this.keys, this.keys[worker ?? 0] as Int32Array)
  }

  /** Returns the index in `words` of a word of a row. */
  wordAt(row: number, of: number): number {
    return row * ROW_WORDS + of
  }

  /** Returns the next stamp: a number that tells which of two events was later, in whatever thread. It wraps around. */
  nextStamp(): number {
    return (Atomics.add(this.words, poolWord.stamp, 1) + 1) | 0
  }

  /** Sets a row to 0, for another backend. Nobody may use the row any more. */
  clear(row: number): void {
    this.words.fill(0, row * ROW_WORDS, (row + 1) * ROW_WORDS)
    this.blocks.clear(row)
    for (const callback of this.onClear) callback(row)
  }
}
