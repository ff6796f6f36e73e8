import type { RequestOutcome, RequestRecord } from '../record.js'
import { HISTOGRAM_WIDTH, Histogram } from './histogram.js'

/** Classes of response statuses; `none` where no response was begun. */
export const statusClasses = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const
export const outcomes = ['ok', 'failed', 'refused', 'cancelled'] as const satisfies readonly RequestOutcome[]

/** Where each of a backend's numbers begins: first those of requests, by status class and outcome. */
const DURATION = statusClasses.length * outcomes.length
const FIRST_BYTE = DURATION + HISTOGRAM_WIDTH
const BYTES_IN = FIRST_BYTE + HISTOGRAM_WIDTH
const BYTES_OUT = BYTES_IN + 1
export const BACKEND_WIDTH = BYTES_OUT + 1

/** Counts the outcomes of requests: of those that one backend had last, or of those that no backend had. */
export class BackendCounters {
  readonly #numbers: Float64Array
  readonly duration: Histogram
  readonly firstByte: Histogram

  /** @param numbers {@link BACKEND_WIDTH} numbers to count in, or to read */
  constructor(numbers: Float64Array = new Float64Array(BACKEND_WIDTH)) {
    this.#numbers = numbers
    this.duration = new Histogram(numbers.subarray(DURATION, FIRST_BYTE))
    this.firstByte = new Histogram(numbers.subarray(FIRST_BYTE, BYTES_IN))
  }

  get bytesIn(): number {
    return this.#numbers[BYTES_IN] as number
  }

  get bytesOut(): number {
    return this.#numbers[BYTES_OUT] as number
  }

  add(record: RequestRecord): void {
    this.count(record)
    this.duration.add(record.responseTime / 1000)
    if (record.firstByteTime !== null) this.firstByte.add(record.firstByteTime / 1000)
    this.#add(BYTES_IN, record.bytesIn)
  }

  /** Counts a request whose times are not known. */
  count({ statusCode, outcome, bytesOut }: Pick<RequestRecord, 'statusCode' | 'outcome' | 'bytesOut'>): void {
    // An app may answer with more than 599 in a hook.
    const status = statusCode === null ? 0 : Math.min(5, Math.trunc(statusCode / 100))
    this.#add(status * outcomes.length + outcomes.indexOf(outcome), 1)
    this.#add(BYTES_OUT, bytesOut)
  }

  /** The number of requests so far, by the indices of status class and outcome in their lists. */
  requests(statusClass: number, outcome: number): number {
    return this.#numbers[statusClass * outcomes.length + outcome] as number
  }

  #add(at: number, amount: number): void {
    const numbers = this.#numbers
    numbers[at] = (numbers[at] as number) + amount
  }
}
