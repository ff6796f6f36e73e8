/** The measures of {@link Columns}. */
export interface ColumnsSize {
  /** Number of threads that write. */
  workers: number
  /** Number of rows in each of the buffers; 1 for numbers of the pool, which have one buffer. */
  rows: number
  /** Number of numbers that each thread has in a row. */
  width: number
}

/**
 * Numbers that threads count without disturbing each other: each worker has numbers of its own for each row, in memory
 * that all can read. Only that worker writes them, so a plain write is enough, and a sum over the workers is exact as
 * soon as they rest. They outlast their worker.
 */
export class Columns {
  readonly size: ColumnsSize
  readonly #buffers: Float64Array[] = []

  constructor(size: ColumnsSize, ...buffers: SharedArrayBuffer[]) {
    this.size = size
    for (const buffer of buffers) this.add(buffer)
  }

  static allocate({ workers, rows, width }: ColumnsSize): SharedArrayBuffer {
    return new SharedArrayBuffer(workers * rows * width * Float64Array.BYTES_PER_ELEMENT)
  }

  /** Adds the memory of further rows, which follow those that there are. */
  add(buffer: SharedArrayBuffer): void {
    this.#buffers.push(new Float64Array(buffer))
  }

  /** Returns a worker's numbers of a row, to read and, for that worker, to write. */
  of(worker: number, row: number): Float64Array {
    const { rows, width } = this.size
    const begin = (worker * rows + (row % rows)) * width
    return this.#bufferOf(row).subarray(begin, begin + width)
  }

  /** Returns one number of a worker in a row. */
  at(worker: number, row: number, at: number): number {
    const { rows, width } = this.size
    return this.#bufferOf(row)[(worker * rows + (row % rows)) * width + at] as number
  }

  /** Returns the sums of all numbers of a row over all workers. */
  sums(row: number): Float64Array {
    const { workers, width } = this.size
    const sums = new Float64Array(width)
    for (let worker = 0; worker < workers; worker++) {
      const own = this.of(worker, row)
      for (let at = 0; at < width; at++) sums[at] = (sums[at] as number) + (own[at] as number)
    }
    return sums
  }

  /** Returns the sum of one number of a row over all workers. */
  sum(row: number, at: number): number {
    const { workers, rows, width } = this.size
    const numbers = this.#bufferOf(row)
    let sum = 0
    for (let i = (row % rows) * width + at, worker = 0; worker < workers; worker++, i += rows * width)
      sum += numbers[i] as number
    return sum
  }

  #bufferOf(row: number): Float64Array {
    return this.#buffers[Math.floor(row / this.size.rows)] as Float64Array
  }
}
