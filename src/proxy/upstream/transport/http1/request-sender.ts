import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { MAX_COALESCED_BYTES } from '../../../http/coalescing.js'
import type { TransportListener, UpstreamRequest } from '../transport.js'
import { BodySender } from './body-sender.js'
import { forgetBrokenWrites, outliveBrokenWrites } from './broken-writes.js'
import { type BodyFraming, bodyFraming } from './request-head.js'
import { framedText, streamOf, wholeBodyOf } from './whole-body.js'

/** Sends the requests of one connection, one after the other. Between two requests it keeps nothing of either. */
export class RequestSender {
  /** Called when a body is not sent as it should be. */
  readonly #onFailed: (error: Error) => void
  #socket: Socket | undefined
  #listener: TransportListener | undefined
  #hasBody = false
  /** Sends a body that did not come completely together with its head. */
  #body: BodySender | undefined
  #isUploading = false
  /** Number of last writes of requests that the system has not taken, those of earlier requests included. */
  #unconfirmed = 0
  #isStopped = false
  #writeError: Error | undefined
  /** The status of the response to a request with a body; 0 before the response. */
  #statusCode = 0

  constructor(onFailed: (error: Error) => void) {
    this.#onFailed = onFailed
  }

  /** True if the whole request was handed to the socket. */
  get isSent(): boolean {
    return this.#writeError === undefined && this.#body?.ended !== false
  }

  /**
   * The error of a write that failed: the backend takes no more bytes, but bytes that the backend has sent may still be
   * read. It is not forgotten with its request, because the connection serves no further one.
   */
  get writeError(): Error | undefined {
    return this.#writeError
  }

  /** True if the backend may have left some of the upload unread, so that its closing resets the connection. */
  get mayBeUnread(): boolean {
    return this.#isStopped || (this.#hasBody && this.#statusCode >= 400)
  }

  send(socket: Socket, head: string, request: UpstreamRequest, listener: TransportListener): void {
    if (!request.body) {
      socket.write(head, 'latin1')
      return
    }
    const framing = bodyFraming(request)
    this.#socket = socket
    this.#listener = listener
    this.#hasBody = true
    this.#isUploading = true
    // A body that was in memory before stays there for another attempt.
    const isTaken = request.wholeBody === undefined
    const bytes = wholeBodyOf(request, framing)
    if (!bytes) {
      this.#sendStream(request.body, head, request, framing, listener, () => listener.onBodyStarted())
    } else if (bytes.length > MAX_COALESCED_BYTES || !isAllowed(bytes.length, framing, request.maxBody)) {
      this.#sendStream(streamOf(bytes), head, request, framing, listener, () => {})
    } else {
      if (isTaken) listener.onBodyStarted()
      this.#unconfirmed++
      socket.write(head + framedText(bytes, request, framing), 'latin1', this.#onSent)
      listener.onBodySent(bytes.length)
    }
  }

  #sendStream(
    body: Readable,
    head: string,
    request: UpstreamRequest,
    framing: BodyFraming,
    listener: TransportListener,
    onStarted: () => void,
  ): void {
    const socket = this.#socket as Socket
    this.#unconfirmed++
    outliveBrokenWrites(socket, this.#onWriteError)
    this.#body = new BodySender({
      socket,
      request,
      body,
      head,
      framing,
      maxBody: request.maxBody,
      onStarted,
      onBytes: (bytes) => listener.onBodySent(bytes),
      onUnasked: () => listener.onResponseHead(100, {}, 'Continue'),
      onSent: this.#onSent,
      onFailed: this.#onFailed,
    })
    this.#body.start()
  }

  /** Goes on, because the socket takes more bytes. */
  onDrain(): void {
    this.#body?.onDrain()
  }

  /** Sends a body for which the backend has asked by 100 (Continue). */
  onContinue(): void {
    this.#body?.send()
  }

  /** Stops sending a body that the backend does not want, as the head of its response shows. */
  onResponse(statusCode: number): void {
    if (!this.#hasBody) return
    this.#statusCode = statusCode
    const body = this.#body
    // The backend has responded without waiting for the rest of the body (RFC 9112 section 9.5), or without asking for
    // the body.
    const isRefusal = body !== undefined && !body.ended && (statusCode >= 400 || !body.started)
    if (this.#writeError || isRefusal) this.#stop()
  }

  /** Stops sending, and forgets the request. */
  forget(): void {
    if (!this.#hasBody) return
    if (this.#body) {
      this.#body.stop()
      forgetBrokenWrites(this.#socket as Socket)
      this.#body = undefined
    }
    this.#socket = undefined
    this.#listener = undefined
    this.#hasBody = false
    this.#isUploading = false
    this.#isStopped = false
    this.#statusCode = 0
  }

  #stop(): void {
    this.#body?.stop()
    this.#isStopped = true
    this.#listener?.onBodyStopped()
  }

  readonly #onSent = (error?: Error | null): void => {
    this.#unconfirmed--
    if (error || this.#writeError || !this.#isUploading || this.#unconfirmed > 0) return
    this.#isUploading = false
    this.#listener?.onBodyEnd()
  }

  readonly #onWriteError = (error: Error): void => {
    this.#writeError = error
    this.#body?.stop()
    if (this.#statusCode > 0) this.#stop()
  }
}

/** Returns false for a body whose length is not the one that is announced, or above the limit. */
function isAllowed(length: number, framing: BodyFraming, maxBody: number): boolean {
  return (framing === 'chunked' || framing === length) && (maxBody === 0 || length <= maxBody)
}
