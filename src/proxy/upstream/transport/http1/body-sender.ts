import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { ClientGoneError } from '../../../../balancer/errors.js'
import { BodyLengthError, HookBodyError, UploadTooLargeError } from '../../failures/failures.js'
import type { UpstreamRequest } from '../transport.js'
import { CHUNK_END, chunkHead, lastChunk } from './chunks.js'
import type { BodyFraming } from './request-head.js'

/**
 * Milliseconds to wait for 100 (Continue). A server that does not know the expectation never sends it (RFC 9110 section
 * 10.1.1).
 */
const CONTINUE_TIMEOUT_MS = 1000

export interface BodySenderOptions {
  socket: Socket
  request: UpstreamRequest
  body: Readable
  /** The head of the request. */
  head: string
  framing: BodyFraming
  /** Largest size of the body in bytes; 0 for no limit. */
  maxBody: number
  /** Called when the body is about to be read. */
  onStarted(): void
  /** Called with the number of bytes of the body that were handed to the socket. */
  onBytes(bytes: number): void
  /** Called when the backend did not ask for the body in time, so that the body is sent unasked. */
  onUnasked(): void
  /** Called when the system has taken all of the body. */
  onSent(): void
  /** Called when the client or the app does not send the body as it should. */
  onFailed(error: Error): void
}

/** Sends the head of one request, its body as fast as the backend takes it, and its trailers. */
export class BodySender {
  readonly #options: BodySenderOptions
  /** The head of the request until it is sent; empty afterwards. */
  #head: string
  #started = false
  #stopped = false
  #ended = false
  #bytes = 0
  #continueTimer: NodeJS.Timeout | undefined

  constructor(options: BodySenderOptions) {
    this.#options = options
    this.#head = options.head
  }

  /** True if sending the body has begun. */
  get started(): boolean {
    return this.#started
  }

  /** True if the whole body was handed to the socket. */
  get ended(): boolean {
    return this.#ended
  }

  /** Sends the head and the body, or only the head if the backend has to ask for the body. */
  start(): void {
    const { request, body, socket, onUnasked } = this.#options
    // A client that does not wait for 100 (Continue) has already sent some of the body.
    if (!request.expectsContinue || body.readableLength > 0) {
      this.send()
      return
    }
    socket.write(this.#head, 'latin1')
    this.#head = ''
    this.#continueTimer = setTimeout(() => {
      onUnasked()
      this.send()
    }, CONTINUE_TIMEOUT_MS)
  }

  /** Sends the body, unless that has begun: the backend may have asked for it. */
  send(): void {
    clearTimeout(this.#continueTimer)
    if (this.#started || this.#stopped) return
    this.#started = true
    const { body, socket, onStarted } = this.#options
    onStarted()
    // The head and the part of the body that has come are sent together.
    socket.cork()
    setImmediate(uncork, socket)
    if (this.#head !== '') socket.write(this.#head, 'latin1')
    this.#head = ''
    body.on('data', this.#onData)
    body.once('end', this.#onEnd)
    body.once('error', this.#onError)
    body.once('close', this.#onClose)
    // A listener does not start a stream that was paused before.
    body.resume()
  }

  /** Goes on, because the backend takes more bytes. */
  onDrain(): void {
    if (this.#started && !this.#stopped && !this.#ended) this.#options.body.resume()
  }

  /** Stops sending the body. */
  stop(): void {
    clearTimeout(this.#continueTimer)
    if (this.#stopped) return
    this.#stopped = true
    if (!this.#started || this.#ended) return
    const { body } = this.#options
    body.off('data', this.#onData)
    body.off('end', this.#onEnd)
    body.off('close', this.#onClose)
    body.pause()
    // The listener for `error` stays, because an error may still come and would be thrown without a listener.
  }

  readonly #onData = (data: unknown): void => {
    const { socket, body, framing, maxBody, onBytes, onFailed, onSent } = this.#options
    const chunk = typeof data === 'string' ? Buffer.from(data) : data
    // A stream that a hook of the app made may emit any object.
    if (!(chunk instanceof Uint8Array)) {
      onFailed(new HookBodyError(new TypeError('it has a part that is neither text nor bytes')))
      return
    }
    if (chunk.length === 0) return
    this.#bytes += chunk.length
    if (maxBody > 0 && this.#bytes > maxBody) {
      onFailed(new UploadTooLargeError(maxBody))
      return
    }
    // The backend would read the surplus bytes as another request.
    if (typeof framing === 'number' && this.#bytes > framing) {
      onFailed(new BodyLengthError(framing))
      return
    }
    const takesMore =
      framing === 'chunked'
        ? writeChunk(socket, chunk)
        : socket.write(chunk, this.#bytes === framing ? onSent : undefined)
    if (!takesMore) body.pause()
    onBytes(chunk.length)
  }

  readonly #onEnd = (): void => {
    const { socket, framing, request, onFailed, onSent } = this.#options
    // The backend would wait for the missing bytes of the body.
    if (typeof framing === 'number' && this.#bytes < framing) {
      onFailed(new BodyLengthError(framing))
      return
    }
    this.#ended = true
    if (framing === 'chunked') {
      const { rawTrailers = [] } = request.source ?? (request.body as IncomingMessage)
      socket.write(lastChunk(rawTrailers, request.isTrailerDropped), 'latin1', onSent)
    } else if (framing === 0) {
      onSent()
    }
  }

  readonly #onError = (error: Error): void => {
    // Nothing is missing, and the connection may serve another request by now.
    if (this.#ended) return
    const { source } = this.#options.request
    // A body that a hook of the app makes from the client's body breaks as well when the client leaves.
    const isClientGone = !source || (source.destroyed && !source.complete)
    this.#options.onFailed(isClientGone ? new ClientGoneError() : new HookBodyError(error))
  }

  readonly #onClose = (): void => this.#onError(new Error('it has no end'))
}

/** Writes one chunk, and returns whether the socket takes more. */
function writeChunk(socket: Socket, chunk: Uint8Array): boolean {
  socket.cork()
  socket.write(chunkHead(chunk.length), 'latin1')
  socket.write(chunk)
  const takesMore = socket.write(CHUNK_END, 'latin1')
  socket.uncork()
  return takesMore
}

function uncork(socket: Socket): void {
  socket.uncork()
}
