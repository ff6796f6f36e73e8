import type { Socket } from 'node:net'
import type { Headers } from './http/fields.js'

/** The calls that upstream makes to the client's side of a request, besides handing over a response with a body. */
export interface Downstream {
  /** Reports that the request ends with an error instead of a response. */
  fail(error: Error): void
  /** Allows the head to be sent now, because no byte of the body has come yet. */
  flushHead(): void
  /** Passes on an informational response, 1xx. */
  inform(statusCode: number, headers: Headers): void
  /** Breaks off a response that will not be finished, so that the client sees that it is incomplete. */
  break(): void
  /** Takes the trailers of the response; called before the end of the response. */
  trailers(fields: Headers): void
  /**
   * Sends 101 and returns the bare connection, with the bytes that the client had sent on it; undefined where the
   * connection is gone.
   */
  switchProtocols(headers: Headers): { socket: Socket; head: Buffer } | undefined
}
