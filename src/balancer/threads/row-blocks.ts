import { Columns } from './columns.js'

/** Number of rows in a block. Memory is allocated block by block, as backends are registered. */
export const BLOCK_ROWS = 32

/** Number of measurements in a row. */
export const MEASURES = 16

/** Number of latencies that are kept of each backend. */
export const SAMPLES_PER_ROW = 1024

/** Number of numbers that each worker has for each backend. */
export const COLUMN_WIDTH = 16

/** The buffers of a block, which are handed to each thread. */
export interface BlockBuffers {
  measures: SharedArrayBuffer
  samples: SharedArrayBuffer
  columns: SharedArrayBuffer
  /** What others than the core keep of each backend of the block, by names of theirs. */
  further: Record<string, SharedArrayBuffer>
}

interface Block {
  buffers: BlockBuffers
  measures: Float64Array
  /** The bits of `measures`, for atomic operations. */
  measureBits: BigInt64Array
  samples: Float32Array
}

/**
 * The rows of a pool's table, in blocks. A pool with few backends has one block. The control plane adds another one
 * when all rows are in use, and tells the workers of it before it tells of a backend in it.
 */
export class RowBlocks {
  /** Each worker's numbers for each backend. */
  readonly columns: Columns
  readonly #workers: number
  readonly #blocks: Block[] = []
  readonly #onBlock: ((buffers: BlockBuffers, index: number) => void)[] = []

  constructor(workers: number) {
    this.#workers = workers
    this.columns = new Columns({ workers, rows: BLOCK_ROWS, width: COLUMN_WIDTH })
  }

  /** Number of rows for which there is memory. */
  get rows(): number {
    return this.#blocks.length * BLOCK_ROWS
  }

  /** Calls back for each block that there is, and for each one that is added later. */
  each(callback: (buffers: BlockBuffers, index: number) => void): void {
    for (const [index, { buffers }] of this.#blocks.entries()) callback(buffers, index)
    this.#onBlock.push(callback)
  }

  /** Allocates another block, in the control plane. */
  allocate(): BlockBuffers {
    const buffers: BlockBuffers = {
      measures: new SharedArrayBuffer(BLOCK_ROWS * MEASURES * Float64Array.BYTES_PER_ELEMENT),
      samples: new SharedArrayBuffer(BLOCK_ROWS * SAMPLES_PER_ROW * Float32Array.BYTES_PER_ELEMENT),
      columns: Columns.allocate({ workers: this.#workers, rows: BLOCK_ROWS, width: COLUMN_WIDTH }),
      further: {},
    }
    this.attach(this.#blocks.length, buffers)
    return buffers
  }

  /** Takes over a block, unless this thread has it already. */
  attach(index: number, buffers: BlockBuffers): void {
    if (index < this.#blocks.length) return
    this.#blocks.push({
      buffers,
      measures: new Float64Array(buffers.measures),
      measureBits: new BigInt64Array(buffers.measures),
      samples: new Float32Array(buffers.samples),
    })
    this.columns.add(buffers.columns)
    for (const callback of this.#onBlock) callback(buffers, index)
  }

  /** Returns the measurements of a row. */
  measuresOf(row: number): Float64Array {
    const at = MEASURES * (row % BLOCK_ROWS)
    return this.#blockOf(row).measures.subarray(at, at + MEASURES)
  }

  /** Returns the bits of the measurements of a row. */
  measureBitsOf(row: number): BigInt64Array {
    const at = MEASURES * (row % BLOCK_ROWS)
    return this.#blockOf(row).measureBits.subarray(at, at + MEASURES)
  }

  /** Returns the latest latencies of a row, in milliseconds. */
  samplesOf(row: number): Float32Array {
    const at = SAMPLES_PER_ROW * (row % BLOCK_ROWS)
    return this.#blockOf(row).samples.subarray(at, at + SAMPLES_PER_ROW)
  }

  /** Sets the numbers of a row to 0. */
  clear(row: number): void {
    this.measuresOf(row).fill(0)
    for (let worker = 0; worker < this.#workers; worker++) this.columns.of(worker, row).fill(0)
  }

  #blockOf(row: number): Block {
    return this.#blocks[Math.floor(row / BLOCK_ROWS)] as Block
  }
}
