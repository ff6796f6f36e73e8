/** Codes of the 503 that clients are answered with though no backend failed them. */
export const refusalCodes = [
  'LEASTWISE_NO_BACKEND',
  'LEASTWISE_QUEUE_FULL',
  'LEASTWISE_QUEUE_TIMEOUT',
  'LEASTWISE_OVERLOADED',
  'LEASTWISE_STOPPED',
] as const

export type RefusalCode = (typeof refusalCodes)[number]

/** Requests that were refused, by code. */
export type RefusalCounts = Record<RefusalCode, number>

/** How many requests were refused, and why. */
export class Refusals {
  readonly #counts = Object.fromEntries(refusalCodes.map((code) => [code, 0])) as RefusalCounts

  add(code: RefusalCode): void {
    this.#counts[code]++
  }

  view(): RefusalCounts {
    return { ...this.#counts }
  }
}
