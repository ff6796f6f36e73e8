import { Readable, type Stream } from 'node:stream'
import type { Headers } from './fields.js'

/** The head of a backend's response. */
export interface ResponseHead {
  statusCode: number
  /** The reason phrase after the status code; empty if the backend sent none. */
  statusMessage: string
  headers: Headers
  /**
   * The backend's Connection field. It may name trailers, too, and may have been removed from `headers` by the time
   * they come.
   */
  connection: string | string[] | undefined
}

/** A backend's response in the form in which upstream hands it over to downstream. */
export interface UpstreamResponse {
  statusCode: number
  headers: Headers
  body: ArrivingBody | WholeBody
}

/** Receives the response to a request, or the error if there is no response. */
export type ResponseCallback = (error: Error | null, response?: UpstreamResponse) => void

/** A body that was still arriving when the response was handed over. One of `stream` and `piped` is called, once. */
export interface ArrivingBody {
  /** Returns the body as a stream, which code of the app may read, replace or convert. */
  stream(): Readable
  /**
   * Returns an object that Fastify takes for a stream. It can only be piped, and writes each part of the body to its
   * destination as soon as the part arrives.
   */
  piped(): Stream
  /** Drops the body, because downstream cannot send it. */
  destroy(): void
}

/**
 * A body that came whole together with its head, as most bodies do. A stream for such a body would cost more than
 * everything else that is done with it.
 */
export class WholeBody {
  readonly bytes: Buffer

  /** @param bytes nobody else may write to this buffer later; empty for a response that has no body */
  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** Returns the same body as a stream. */
  stream(): Readable {
    return Readable.from(this.bytes.length > 0 ? [this.bytes] : [], { objectMode: false })
  }

  /** Does nothing. The method exists so that callers can destroy a body without asking which kind it is. */
  destroy(): void {}
}
