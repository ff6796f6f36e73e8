import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { ClientGoneError } from '../../../balancer/errors.js'
import { toHeaders } from '../../http/fields.js'
import { sendHead } from '../../http/send-head.js'
import { sendableTrailers } from '../../http/trailers.js'
import { BodyLengthError, HookBodyError, UploadTooLargeError } from '../failures/failures.js'
import type { UpstreamRequest } from './transport.js'

/**
 * Milliseconds that a backend has to ask for a body that was announced with `Expect: 100-continue` (RFC 9110 section
 * 10.1.1).
 */
const CONTINUE_TIMEOUT_MS = 1000

export interface BodySenderOptions {
  request: UpstreamRequest
  body: Readable
  /** The body's Content-Length in bytes; undefined if the body is chunked. */
  announced: number | undefined
  /** Largest size of the body in bytes; 0 for no limit. */
  maxBody: number
  /** Called when the body is about to be read. */
  onStarted(): void
  /** Called with the number of bytes of the body that were sent. */
  onSent(bytes: number): void
  /** Called when the backend did not ask for the body in time, so that the body is sent unasked. */
  onUnasked(): void
  /** Called when the client or the app does not send the body as it should. */
  onFailed(error: Error): void
}

/** Sends the body of one request and its trailers to a backend, as fast as the backend takes them. */
export class BodySender {
  readonly #options: BodySenderOptions
  readonly #outgoing: ClientRequest
  #started = false
  #stopped = false
  /** True if the whole body was handed to Node. */
  #ended = false
  #bytes = 0
  #continueTimer: NodeJS.Timeout | undefined

  constructor(outgoing: ClientRequest, options: BodySenderOptions) {
    this.#outgoing = outgoing
    this.#options = options
    if (options.request.expectsContinue) outgoing.once('continue', () => this.#send(outgoing.socket))
  }

  /** True if sending the body has begun. */
  get started(): boolean {
    return this.#started
  }

  get ended(): boolean {
    return this.#ended
  }

  /**
   * Sends the body, because there is a connection now, or sends only the head if the backend has to ask for the body.
   */
  start(socket: Socket): void {
    const { request, body } = this.#options
    // A client that does not wait for 100 (Continue) has already sent some of the body.
    if (!request.expectsContinue || body.readableLength > 0) {
      this.#send(socket)
      return
    }
    sendHead(this.#outgoing)
    this.#continueTimer = setTimeout(() => {
      this.#options.onUnasked()
      this.#send(socket)
    }, CONTINUE_TIMEOUT_MS)
  }

  /** Stops sending the body. */
  stop(): void {
    clearTimeout(this.#continueTimer)
    this.#stopped = true
    if (!this.#started) return
    const { body } = this.#options
    body.off('data', this.#onData)
    body.off('end', this.#onEnd)
    body.off('close', this.#onClose)
    body.unpipe(this.#outgoing)
    // The listener for `error` stays, because an error may still come and would be thrown without a listener.
  }

  #send(socket: Socket | null): void {
    clearTimeout(this.#continueTimer)
    if (this.#started || this.#stopped) return
    this.#started = true
    const { body, onStarted } = this.#options
    onStarted()
    // The head and the part of the body that has come are sent together. (The request's own `cork` loses chunks on Node
    // 24.)
    socket?.cork()
    sendHead(this.#outgoing)
    body.on('data', this.#onData)
    body.once('end', this.#onEnd)
    body.once('error', this.#onError)
    body.once('close', this.#onClose)
    body.pipe(this.#outgoing, { end: false })
    setImmediate(() => socket?.uncork())
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes += chunk.length
    const { maxBody, announced, onFailed, onSent } = this.#options
    if (maxBody > 0 && this.#bytes > maxBody) onFailed(new UploadTooLargeError(maxBody))
    // The backend would read the surplus bytes as another request.
    else if (announced !== undefined && this.#bytes > announced) onFailed(new BodyLengthError(announced))
    else onSent(chunk.length)
  }

  readonly #onEnd = (): void => {
    const { announced, body, request, onFailed } = this.#options
    // The backend would wait for the missing bytes of the body.
    if (announced !== undefined && this.#bytes < announced) {
      onFailed(new BodyLengthError(announced))
      return
    }
    this.#ended = true
    const { rawTrailers } = request.source ?? (body as IncomingMessage)
    if (rawTrailers?.length) {
      this.#outgoing.addTrailers(sendableTrailers(toHeaders(rawTrailers), request.isTrailerDropped))
    }
    this.#outgoing.end()
  }

  readonly #onError = (error: Error): void => {
    const { source } = this.#options.request
    // A body that a hook of the app makes from the client's body breaks as well when the client leaves.
    const isClientGone = !source || (source.destroyed && !source.complete)
    this.#options.onFailed(isClientGone ? new ClientGoneError() : new HookBodyError(error))
  }

  readonly #onClose = (): void => {
    if (!this.#ended) this.#onError(new Error('it has no end'))
  }
}
