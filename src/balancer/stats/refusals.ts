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

/** Returns how often the pool refused a request with each code. (`AnswerTally` counts what backends refuse.) */
export function refusalsOf(memory: { counted(code: RefusalCode): number }): RefusalCounts {
  return Object.fromEntries(refusalCodes.map((code) => [code, memory.counted(code)])) as RefusalCounts
}
