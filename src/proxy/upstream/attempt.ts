// Over 200 lines: the class has one method for each event that the HTTP client reports of a request.

import type { Socket } from 'node:net'
import { isUnixUrl } from '../../balancer/backends/unix-url.js'
import { ClientGoneError } from '../../balancer/errors.js'
import type { Lease } from '../../balancer/leases/lease.js'
import type { Outcome } from '../../balancer/leases/outcome.js'
import type { ProxyContext } from '../context.js'
import type { Headers } from '../http/fields.js'
import type { ResponseHead, UpstreamResponse } from '../http/response.js'
import type { Statuses } from '../http/status-ranges.js'
import type { AttemptListener, AttemptState } from './attempt-listener.js'
import type { DeadlinePool } from './deadline.js'
import { isConnectionFault, outcomeOf, type Progress } from './failures/blame.js'
import { diagnose, isClosing } from './failures/diagnosis.js'
import { failureOnDeadline } from './failures/expiry.js'
import { BackendError, isClientFault, SilentlyClosedError, SupersededError } from './failures/failures.js'
import { Phases } from './phases.js'
import { type BodyOwner, ResponseBody } from './response-body.js'
import { checkResponseHead, idleNotice, isQuietStream } from './response-check.js'
import type { Timeouts } from './timeouts.js'
import type { Transport, TransportListener } from './transport/transport.js'
import { switchProtocols } from './tunnel/switch-protocols.js'
import { UploadProgress } from './upload-progress.js'

export interface AttemptOptions {
  timeouts: Timeouts
  /** Statuses of responses that count as gateway failures. */
  isFailure: Statuses
  deadlines: DeadlinePool
}

/** One request to one backend. The attempt holds the backend's lease from the dispatch to the backend's last byte. */
export class Attempt implements AttemptState, Progress, TransportListener, BodyOwner {
  readonly context: ProxyContext
  readonly lease: Lease
  readonly #options: AttemptOptions
  readonly #listener: AttemptListener
  readonly #phases: Phases
  #outcome: Outcome = 'ok'
  #sentAt = 0
  isSent = false
  isBodyTaken = false
  transport!: Transport
  upload: UploadProgress | undefined
  body: ResponseBody | undefined

  constructor(context: ProxyContext, lease: Lease, options: AttemptOptions, listener: AttemptListener) {
    this.context = context
    this.lease = lease
    this.#options = options
    this.#listener = listener
    this.#phases = new Phases(context, options.timeouts, options.deadlines, () => this.#onDeadline())
    // The function is a constant before it becomes a property: V8 allocates a function literal that is assigned
    // directly to a property in the old generation, where the literal keeps the whole request alive until the next full
    // collection.
    const cut = (reason: Error) => this.#fail(reason, 'cancelled')
    lease.onCut = cut
    this.#sentAt = this.now
    lease.dispatched(this.#sentAt)
  }

  get backend() {
    return this.lease.backend
  }

  get now(): number {
    return this.#options.deadlines.clock.now()
  }

  get isRespondingWell(): boolean {
    return this.#phases.current === 'body' && this.#outcome === 'ok'
  }

  /** Sends the request on the given connection. */
  start(transport: Transport): void {
    this.transport = transport
    transport.send(this.context, this)
  }

  isConnectionFault(error: Error): boolean {
    if (this.body) return false
    return isConnectionFault(error, this.transport.reused, this.now - this.#sentAt)
  }

  // The transport calls the following methods to report how the request is sent.

  onLookedUp(): void {
    if (this.#phases.current === 'connection') this.#phases.restart()
  }

  onStarted(): void {
    if (this.#phases.isOver) return
    this.isSent = true
    this.#sentAt = this.now
    this.lease.sent(this.#sentAt)
    if (this.context.body) {
      this.upload = new UploadProgress(this.#sentAt)
      this.lease.uploading()
      this.#phases.enter('request')
    } else {
      this.#phases.enter('response')
    }
  }

  onBodyStarted(): void {
    this.isBodyTaken = true
  }

  onBodySent(bytes: number): void {
    this.context.bytesIn += bytes
    this.upload?.sent(bytes, this.now)
    const { current } = this.#phases
    if (current === 'request' || (current === 'body' && !this.body?.isPaused)) this.#phases.restart()
  }

  onBodyEnd(): void {
    if (this.upload) this.upload.isOver = true
    this.lease.uploaded(this.now)
    if (this.#phases.current === 'request') this.#phases.enter('response')
  }

  onBodyStopped(): void {
    // `lease.uploaded` is not called, because how soon a backend refuses a body does not say how fast the backend is.
    this.upload?.refuse()
  }

  // The transport calls the following methods to report the response.

  onResponseHead(statusCode: number, headers: Headers, statusMessage: string): void {
    if (this.#phases.isOver) return
    if (statusCode >= 100 && statusCode < 200 && statusCode !== 101) {
      this.context.downstream.inform(statusCode, headers)
      return
    }
    const fault = checkResponseHead(statusCode, headers)
    if (fault) {
      this.#fail(fault, 'failed')
      return
    }
    const notice = idleNotice(statusCode, headers)
    if (notice && this.#listener.resends(this, notice)) {
      this.#fail(notice, 'cancelled')
      return
    }
    const isFailure = this.#options.isFailure(statusCode)
    if (isFailure) this.#outcome = 'failed'
    const { now } = this
    this.lease.answered(now, isFailure ? 'failed' : statusCode >= 400 ? 'refused' : 'ok')
    const rejection = this.#listener.rejects(this, statusCode)
    if (rejection) {
      this.#fail(rejection, this.#outcome)
      return
    }
    const context = this.context
    context.responseHead = { statusCode, statusMessage, headers, connection: headers.connection }
    context.respondedAt = now
    if (isQuietStream(headers)) context.isQuiet = true
    this.#phases.enter('body')
    this.body = new ResponseBody(this, context, this.transport, this.#phases)
    this.#listener.onResponse(this)
  }

  onResponseData(chunk: Buffer): void {
    if (this.#phases.isOver) return
    this.context.bytesOut += chunk.length
    this.body?.push(chunk)
  }

  onResponseEnd(trailers: Headers): void {
    if (this.#phases.isOver) return
    this.#finish(this.#outcome)
    this.body?.end(trailers)
  }

  onReadEnd(): void {
    this.body?.open()
  }

  onSwitched(headers: Headers, socket: Socket, head: Buffer): void {
    this.#phases.suspend()
    const stall = {
      timeout: this.#options.timeouts.body,
      clock: this.#options.deadlines.clock,
      isShuttingDown: () => this.#listener.isShuttingDown(),
    }
    const onOver = (outcome: Outcome) => this.#finish(outcome)
    const error = switchProtocols(this.context, this.lease, { headers, socket, head }, stall, onOver)
    if (error) this.#fail(error, error instanceof ClientGoneError ? 'cancelled' : 'failed')
  }

  onFailed(failure: Error): void {
    if (this.#phases.isOver) return
    // Nobody expects TLS on a Unix socket.
    const mayExpectTls = this.transport.silent && !isUnixUrl(this.backend.url)
    const isSilent = this.isSent && isClosing(failure) && mayExpectTls
    const error = isSilent ? new SilentlyClosedError(failure) : failure
    this.#fail(error, outcomeOf(error, this))
  }

  // The body of the response calls the following methods.

  deliver(body: UpstreamResponse['body']): void {
    const { statusCode, headers } = this.context.responseHead as ResponseHead
    this.#listener.deliver({ statusCode, headers, body })
  }

  onBodyDropped(error: Error | null): void {
    this.#fail(error ?? new ClientGoneError(), 'cancelled')
  }

  /** Ends the attempt, or gives it more time, when the deadline of the current phase has expired. */
  #onDeadline(): void {
    const { current } = this.#phases
    // The look-up of the backend's name has a time limit of its own.
    if (current === 'connection' && this.transport.lookingUp) return
    const failure = failureOnDeadline(current, this)
    if (failure) this.#fail(failure.error, failure.outcome)
    else this.#phases.restart()
  }

  #fail(error: Error, outcome: Outcome): void {
    if (this.#phases.isOver) return
    // A response that had begun is delivered to downstream before it is broken off.
    this.body?.openBroken()
    this.#phases.end()
    this.transport?.abort()
    const context = this.context
    if (!isClientFault(error) && !(error instanceof SupersededError)) {
      const { code, text } = diagnose(error)
      context.cause = this.lease.cause = { code, text }
    }
    this.#finish(outcome, error)
    if (this.body) {
      if (!(error instanceof ClientGoneError)) context.responseError = error
      context.downstream.break()
      this.body.break(outcome === 'cancelled' ? error : new BackendError(this.backend.id, error))
    } else {
      this.#listener.onFailed(this, error)
    }
  }

  /** Releases the lease, because the backend is done with the request. */
  #finish(outcome: Outcome, error?: Error): void {
    this.#phases.end()
    if (this.context.lease === this.lease) this.context.endedAt = this.now
    this.lease.release(outcome)
    this.context.downstream.trace?.endAttempt(this.lease, error)
  }
}
