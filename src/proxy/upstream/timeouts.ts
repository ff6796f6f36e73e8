/** What a backend is given time for, in milliseconds; 0 for any time. */
export interface Timeouts {
  /** To a connection, TLS included. */
  connect: number
  /** From the end of the request to the first byte of the response. */
  response: number
  /** Between two chunks of a body, in either direction. */
  body: number
}
