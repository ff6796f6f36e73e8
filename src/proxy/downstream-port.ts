import type { Socket } from 'node:net'
import type { Headers } from './http/fields.js'

/** What upstream calls on the client's side of a request, beyond handing over a response with a body. */
export interface Downstream {
  /** There is an error instead of a response. */
  fail(error: Error): void
  /** The head may be sent now, as no byte of the body has come yet. */
  flushHead(): void
  /** Passes on an informational response, 1xx. */
  inform(statusCode: number, headers: Headers): void
  /** The response will not be finished, and the client must not take it for a whole one. */
  break(): void
  /** Takes the trailers of the response; called before its end. */
  trailers(fields: Headers): void
  /** Sends 101 and returns the bare connection, with what the client had sent on it; undefined where it is gone. */
  switchProtocols(headers: Headers): { socket: Socket; head: Buffer } | undefined
}
