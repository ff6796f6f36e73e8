import { Readable } from 'node:stream'
import { type Dispatcher, errors } from 'undici'
import type { Clock } from '../balancer/clock.js'
import { ClientGoneError } from '../balancer/errors.js'
import type { Lease, Outcome } from '../balancer/lease.js'
import type { Line } from './backend-pool.js'

/** What a request was assigned to. */
export interface Assignment {
  lease: Lease
  /** Path and query for the backend, byte for byte; reply-from's own has been through a URL parser. */
  path: string
  /** The policy by which the backend was chosen. */
  policy: string
  /** The request's body where reply-from must not see it: it takes none with GET. */
  body?: Readable
  /** Called when the answer's head is ready to be sent, and no byte of its body has come yet. */
  flushHead?: () => void
  /** The fields that the backend's answer put into ours. */
  answered?: Answer['headers']
}

/** What went wrong between us and a backend, in `cause`. */
export class BackendError extends Error {
  readonly backend: string

  constructor(backend: string, cause: Error) {
    super(cause.message, { cause })
    this.backend = backend
  }
}

export interface Answer {
  statusCode: number
  headers: Record<string, string | string[] | undefined>
  body: Readable
}

export type Callback = (error: Error | null, answer?: Answer) => void

/** One request on one backend, from the dispatch to the backend's last word. */
export class Attempt implements Dispatcher.DispatchHandler {
  readonly #assignment: Assignment
  readonly #lease: Lease
  readonly #line: Line
  readonly #clock: Clock
  #callback: Callback | undefined
  #controller: Dispatcher.DispatchController | undefined
  #body: Readable | undefined
  #outcome: Outcome = 'ok'
  #bodyless = false
  #lengthKnown = true
  #cutBy: Error | undefined

  constructor(assignment: Assignment, line: Line, clock: Clock, callback: Callback) {
    this.#assignment = assignment
    this.#lease = assignment.lease
    this.#line = line
    this.#clock = clock
    this.#callback = callback
    this.#lease.onCut = (reason) => this.#cut(reason)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#cutBy) controller.abort(this.#cutBy)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // An informational response: the real one is still to come.
    if (statusCode < 200) return
    this.#lease.answered(this.#clock.now())
    if (isGatewayFailure(statusCode)) this.#outcome = 'failed'
    this.#lengthKnown = 'content-length' in headers || 'transfer-encoding' in headers
    // Such an answer may name the length of a body that it does not have (RFC 9110 section 8.6).
    this.#bodyless = statusCode === 204 || statusCode === 304
    this.#assignment.answered = headers
    this.#body = new Readable({
      highWaterMark: 64 * 1024,
      read: () => {
        if (this.#body?.readableLength === 0 && this.#lease.held) this.#assignment.flushHead?.()
        controller.resume()
      },
      destroy: (error, done) => {
        // Whoever reads the body gave up on it: the backend need not go on.
        this.#cut(error ?? new errors.RequestAbortedError())
        done(error)
      },
    })
    // It may be that nobody reads the body, or nobody yet, when it breaks.
    this.#body.on('error', () => {})
    if (this.#bodyless) this.#body.push(null)
    this.#answer(null, { statusCode, headers, body: this.#body })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#body?.push(chunk) === false) controller.pause()
  }

  onResponseEnd(): void {
    if (this.#line.resetting && !this.#lengthKnown) {
      const reset: NodeJS.ErrnoException = new Error('the connection was reset in mid-body')
      reset.code = 'ECONNRESET'
      this.onResponseError(null, reset)
      return
    }
    this.#lease.release(this.#outcome)
    if (!this.#bodyless) this.#body?.push(null)
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#bodyless && error instanceof errors.ResponseContentLengthMismatchError) {
      this.#lease.release(this.#outcome)
      return
    }
    const cutBy = this.#cutBy
    const reported = cutBy ?? new BackendError(this.#lease.backend.id, error)
    this.#lease.release(cutBy || isClientsDoing(error) ? 'cancelled' : 'failed')
    this.#answer(reported)
    this.#body?.destroy(reported)
  }

  #cut(reason: Error): void {
    if (!this.#lease.held || this.#cutBy) return
    this.#cutBy = reason
    // There is nobody to tell; reply-from would log an error and answer a closed socket.
    if (reason instanceof ClientGoneError) this.#callback = undefined
    if (this.#controller) {
      // Ends in onResponseError.
      this.#controller.abort(reason)
    } else {
      // It waits for a connection; the backend has not seen it, and will not.
      this.#lease.release('cancelled')
      this.#answer(reason)
    }
  }

  #answer(error: Error | null, answer?: Answer): void {
    const callback = this.#callback
    this.#callback = undefined
    try {
      callback?.(error, answer)
    } catch (thrown) {
      // Whoever asked could not make an answer of this one; without another the client would wait for ever.
      if (error) throw thrown
      callback?.(new BackendError(this.#lease.backend.id, thrown as Error))
    }
  }
}

/** A status that says the backend itself, or what stands behind it, is not well. */
function isGatewayFailure(statusCode: number): boolean {
  return statusCode === 500 || (statusCode >= 502 && statusCode <= 504)
}

/** Whether a request failed on account of what the client sent, or stopped sending. */
function isClientsDoing(error: Error): boolean {
  return (
    error instanceof errors.InvalidArgumentError ||
    error instanceof errors.NotSupportedError ||
    error instanceof errors.RequestContentLengthMismatchError ||
    (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE' ||
    (error as { statusCode?: number }).statusCode === 413
  )
}
