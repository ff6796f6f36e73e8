/** How many requests a key has had in its window. */
export interface RateCount {
  /** Requests in the window, this one included. */
  current: number
  /** Milliseconds until the window ends. */
  ttl: number
}

/**
 * Counts requests by key, in windows of fixed length: a window begins with the first request of its key, and the next
 * one begins with the first request after its end.
 */
export interface RateLimitCounter {
  /**
   * Counts one request.
   * @param window the length of the key's window in milliseconds
   * @param max how many requests are allowed in a window; a counter may forget first the keys that have few of them
   * @returns undefined where the request could not be counted, and the counter has said so itself
   */
  increment(key: string, window: number, max: number): RateCount | undefined | Promise<RateCount | undefined>
}

/** Tells what was counted. */
export interface RateCountReader {
  /** Returns the count of a key without counting; undefined where its window is over or has not begun. */
  peek(key: string): RateCount | undefined | Promise<RateCount | undefined>
}
