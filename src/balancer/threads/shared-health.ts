import type { HealthMemory } from '../health/health-memory.js'
import type { FailureNews } from './failure-news.js'
import { measure, type PoolTable, word } from './table.js'

const scratch = new Float64Array(1)
const scratchBits = new BigInt64Array(scratch.buffer)

/** What threads that share a pool know of the health of one backend. @see HealthMemory */
export class SharedHealth implements HealthMemory {
  readonly #table: PoolTable
  readonly #row: number
  readonly #measures: Float64Array
  readonly #measureBits: BigInt64Array
  readonly #news: FailureNews
  /** True in the control plane, which alone says when earlier failures and slow start no longer apply. */
  readonly #isControl: boolean
  /** The index in the table of the number of failures in a row. */
  readonly #streakAt: number

  constructor(table: PoolTable, row: number, news: FailureNews, isControl: boolean) {
    this.#table = table
    this.#row = row
    this.#news = news
    this.#isControl = isControl
    this.#measures = table.blocks.measuresOf(row)
    this.#measureBits = table.blocks.measureBitsOf(row)
    this.#streakAt = table.wordAt(row, word.streak)
  }

  get streak(): number {
    return this.#table.words[this.#streakAt] as number
  }

  addFailure(): number {
    return Atomics.add(this.#table.words, this.#streakAt, 1) + 1
  }

  endStreak(): void {
    // Writing to memory that other threads read costs them more than reading costs this one.
    if (this.streak !== 0) Atomics.store(this.#table.words, this.#streakAt, 0)
  }

  get failureMark(): number {
    return this.#measures[measure.failureMark] as number
  }

  replaceFailureMark(before: number, after: number): boolean {
    scratch[0] = before
    const expected = scratchBits[0] as bigint
    scratch[0] = after
    const wanted = scratchBits[0] as bigint
    if (Atomics.compareExchange(this.#measureBits, measure.failureMark, expected, wanted) !== expected)
      return false
    // A share that grows again is noticed by each thread when it next measures its limits.
    if (after !== 0 && (before === 0 || after > before)) this.#news.tell(this.#row)
    return true
  }

  forgetFailures(): void {
    if (this.#isControl) this.#measures[measure.failureMark] = 0
  }

  get slowStartAt(): number {
    return this.#measures[measure.slowStartAt] as number
  }

  setSlowStart(at: number): void {
    if (this.#isControl) this.#measures[measure.slowStartAt] = at
  }
}
