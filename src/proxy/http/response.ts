import { Readable } from 'node:stream'
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
  body: Readable | WholeBody
}

/** Receives the response to a request, or the error if there is no response. */
export type ResponseCallback = (error: Error | null, response?: UpstreamResponse) => void

/**
 * A body that came whole together with its head, as most bodies do. A stream for such a body would cost more than
 * everything else that is done with it.
 */
export class WholeBody {
  readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** Returns the same body as a stream. */
  stream(): Readable {
    return Readable.from([this.bytes], { objectMode: false })
  }

  /** Does nothing. The method exists so that callers can destroy a body without asking whether it is a stream. */
  destroy(): void {}
}
