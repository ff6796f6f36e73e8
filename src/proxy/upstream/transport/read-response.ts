import type { IncomingMessage } from 'node:http'
import { toHeaders } from '../../http/fields.js'
import { BadResponseError, TruncatedResponseError } from '../failures/failures.js'
import type { TransportListener } from './transport.js'

/** The request to which the response belongs. */
export interface Exchange {
  readonly isOver: boolean
  /** An error of the connection that occurred while the response was read. */
  readonly connectionError: Error | undefined
  /** Returns true if the backend may have left some of the upload unread, so that its closing resets the connection. */
  mayLeaveUploadUnread(statusCode: number): boolean
  /** Called when the response is about to be read. */
  onResponse(statusCode: number): void
  /** Ends the request. Returns false if the request was over before. */
  finish(): boolean
  /** Called when the response has been read to its end. */
  onRead(): void
  fail(error: Error): void
}

/** Reads a response of Node's HTTP client, and reports it to the listener. */
export function readResponse(
  response: IncomingMessage,
  exchange: Exchange,
  listener: TransportListener,
): void {
  const { statusCode = 0, statusMessage = '', httpVersionMajor } = response
  if (httpVersionMajor !== 1) {
    exchange.fail(new BadResponseError(`version ${response.httpVersion} is not spoken`))
    return
  }
  exchange.onResponse(statusCode)
  const headers = toHeaders(response.rawHeaders)
  const isLengthKnown = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
  response.on('data', (chunk: Buffer) => {
    if (!exchange.isOver) listener.onResponseData(chunk)
  })
  response.once('end', () => {
    // Node treats a reset of the connection as the end of a body whose length is not known.
    const { connectionError } = exchange
    const isCut = connectionError && !isLengthKnown && !exchange.mayLeaveUploadUnread(statusCode)
    if (!response.complete || isCut) {
      exchange.fail(connectionError ?? new TruncatedResponseError())
    } else if (exchange.finish()) {
      listener.onResponseEnd(toHeaders(response.rawTrailers))
      exchange.onRead()
    }
  })
  response.once('error', (error) => exchange.fail(exchange.connectionError ?? error))
  response.once('close', () => exchange.fail(exchange.connectionError ?? new TruncatedResponseError()))
  listener.onResponseHead(statusCode, headers, statusMessage)
}
