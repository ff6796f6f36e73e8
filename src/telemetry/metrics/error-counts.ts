/** Errors that clients of any pool may get. They are counted from 0, so that a rate exists before the first one. */
export const expectedCodes = [
  'LEASTWISE_BAD_GATEWAY',
  'LEASTWISE_GATEWAY_TIMEOUT',
  'LEASTWISE_NO_BACKEND',
  'LEASTWISE_OVERLOADED',
  'LEASTWISE_QUEUE_FULL',
  'LEASTWISE_QUEUE_TIMEOUT',
] as const

/**
 * Largest number of error codes that have a counter of their own. Hooks of the app choose error codes of their own,
 * which may even differ with each request, so the number of counters is bounded.
 */
export const MAX_ERROR_CODES = 100
/** The label under which all further codes are counted. */
export const OTHER_CODES = 'other'

/** How often the gateway responded with each error code, or cut a response because of it. */
export interface ErrorCounts extends Iterable<[code: string, count: number]> {
  add(code: string): void
}

/** The errors of a pool with one thread. */
export class LocalErrorCounts implements ErrorCounts {
  readonly #counts = new Map<string, number>(expectedCodes.map((code) => [code, 0]))

  add(error: string): void {
    const code = this.#counts.size < MAX_ERROR_CODES || this.#counts.has(error) ? error : OTHER_CODES
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1)
  }

  [Symbol.iterator](): Iterator<[string, number]> {
    return this.#counts.entries()
  }
}
