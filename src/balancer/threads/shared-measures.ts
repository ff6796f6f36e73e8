import type { LatencyMeasures } from '../stats/latency.js'
import type { ResponseMeasures } from '../stats/response-time.js'
import { percentilesOf } from '../stats/samples.js'
import { SAMPLES_PER_ROW } from './row-blocks.js'
import { measure, type PoolTable, word } from './table.js'

/**
 * What is measured of the responses of one backend, in memory that threads share. A thread sees at once what another
 * one has written. Where two write at the same instant, the measurement of one may be lost.
 */
export class SharedMeasures implements ResponseMeasures, LatencyMeasures {
  readonly #measures: Float64Array

  constructor({ blocks }: PoolTable, row: number) {
    this.#measures = blocks.measuresOf(row)
  }

  get peak(): number {
    return this.#measures[measure.peak] as number
  }

  set peak(value: number) {
    this.#measures[measure.peak] = value
  }

  get peakAt(): number {
    return this.#measures[measure.peakAt] as number
  }

  set peakAt(value: number) {
    this.#measures[measure.peakAt] = value
  }

  get typical(): number {
    return this.#measures[measure.typical] as number
  }

  set typical(value: number) {
    this.#measures[measure.typical] = value
  }

  get typicalAt(): number {
    return this.#measures[measure.typicalAt] as number
  }

  set typicalAt(value: number) {
    this.#measures[measure.typicalAt] = value
  }

  get ewma(): number {
    return this.#measures[measure.ewma] as number
  }

  set ewma(value: number) {
    this.#measures[measure.ewma] = value
  }

  get ewmaAt(): number {
    return this.#measures[measure.ewmaAt] as number
  }

  set ewmaAt(value: number) {
    this.#measures[measure.ewmaAt] = value
  }
}

/** The count is set back from here, long before it would no longer fit the word. */
const MAX_COUNT = 2 ** 30

/** The latest latencies of one backend in memory that threads share; see `Samples`. */
export class SharedSamples {
  readonly #words: Int32Array
  readonly #samples: Float32Array
  readonly #countAt: number

  constructor(table: PoolTable, row: number) {
    this.#words = table.words
    this.#samples = table.blocks.samplesOf(row)
    this.#countAt = table.wordAt(row, word.samples)
  }

  /** Number of samples that were added so far; it is set back to a smaller number after a billion. */
  get count(): number {
    return Atomics.load(this.#words, this.#countAt)
  }

  add(sample: number): void {
    const place = Atomics.add(this.#words, this.#countAt, 1)
    this.#samples[place % SAMPLES_PER_ROW] = sample
    if (place >= MAX_COUNT) Atomics.sub(this.#words, this.#countAt, MAX_COUNT - SAMPLES_PER_ROW)
  }

  /** @see Samples.percentiles */
  percentiles(...ranks: number[]): number[] {
    return percentilesOf(this.#samples.slice(0, Math.min(this.count, SAMPLES_PER_ROW)), ranks)
  }
}
