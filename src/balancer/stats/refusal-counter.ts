/** Error codes of the 503 responses that clients get although no backend failed the request. */
export const refusalCodes = [
  'LEASTWISE_NO_BACKEND',
  'LEASTWISE_QUEUE_FULL',
  'LEASTWISE_QUEUE_TIMEOUT',
  'LEASTWISE_OVERLOADED',
  'LEASTWISE_STOPPED',
] as const

export type RefusalCode = (typeof refusalCodes)[number]

/** Number of requests that were refused with a 503, by error code. */
export type RefusalCounts = Record<RefusalCode, number>

/** Counts the requests that the pool refused. (`AnswerTally` counts what backends refuse.) */
export class RefusalCounter {
  readonly #counts = Object.fromEntries(refusalCodes.map((code) => [code, 0])) as RefusalCounts

  add(code: RefusalCode): void {
    this.#counts[code]++
  }

  view(): RefusalCounts {
    return { ...this.#counts }
  }
}
