/** Time limits for one attempt on a backend, in milliseconds; 0 for no limit. */
export interface Timeouts {
  /** Longest time in milliseconds to connect, the TLS handshake included. */
  connect: number
  /** Longest time in milliseconds from the end of the request to the first byte of the response. */
  response: number
  /** Longest time in milliseconds between two chunks of a body, in either direction. */
  body: number
}
