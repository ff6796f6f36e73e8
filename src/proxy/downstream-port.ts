import type { Socket } from 'node:net'
import type { Headers } from './http/fields.js'
import type { RequestTrace } from './http/request-trace.js'

/**
 * The calls by which upstream acts on the client's side of a request. A response with a body is handed over elsewhere.
 */
export interface Downstream {
  /** The trace of the request; undefined where nobody records it. */
  readonly trace?: RequestTrace | undefined
  /**
   * Calls `act` with these arguments in the asynchronous context in which code of an app sees the request. Upstream
   * itself runs in other contexts, for example in that of a connection which many requests use.
   */
  inContext<Args extends unknown[], Result>(act: (...args: Args) => Result, ...args: Args): Result
  /** Reports that the request ends with an error instead of a response. */
  fail(error: Error): void
  /** Allows the head of the response to be sent on its own, because no byte of the body has come yet. */
  flushHead(): void
  /** Passes on an informational response, 1xx. */
  inform(statusCode: number, headers: Headers): void
  /** Breaks off a response that will not be finished, so that the client sees that it is incomplete. */
  break(): void
  /** Takes the trailers of the response. Upstream calls this before the end of the response. */
  trailers(fields: Headers): void
  /**
   * Sends 101 and returns the client's bare connection, with the bytes that the client had sent on it; returns
   * undefined if the connection is gone.
   */
  switchProtocols(headers: Headers): { socket: Socket; head: Buffer } | undefined
}
