import { Readable } from 'node:stream'
import type { Headers } from './fields.js'

/** The head of a backend's response. */
export interface ResponseHead {
  statusCode: number
  /** The reason phrase; empty where the backend sent none. */
  statusMessage: string
  headers: Headers
  /** The backend's Connection field. It may name trailers, too, and may have been removed from `headers` by then. */
  connection: string | string[] | undefined
}

/** A backend's response as upstream hands it over. */
export interface UpstreamResponse {
  statusCode: number
  headers: Headers
  body: Readable | WholeBody
}

/** Receives the response to a request, or the error where there is no response. */
export type ResponseCallback = (error: Error | null, response?: UpstreamResponse) => void

/**
 * A body that came whole together with its head, as most do. A stream for it would cost more than everything else done
 * with such a body.
 */
export class WholeBody {
  readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** The same body as a stream. */
  stream(): Readable {
    return Readable.from([this.bytes], { objectMode: false })
  }

  /** Does nothing. Callers destroy a body without asking whether it is a stream. */
  destroy(): void {}
}
