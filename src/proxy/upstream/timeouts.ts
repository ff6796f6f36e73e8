/** Time limits for a backend, in milliseconds; 0 for no limit. */
export interface Timeouts {
  /** Longest time to connect, TLS included. */
  connect: number
  /** Longest time from the end of the request to the first byte of the response. */
  response: number
  /** Longest time between two chunks of a body, in either direction. */
  body: number
}
