import type { Socket } from 'node:net'
import { ClientGoneError } from '../../balancer/errors.js'
import type { Lease } from '../../balancer/leases/lease.js'
import type { Outcome } from '../../balancer/leases/outcome.js'
import type { ProxyContext } from '../context.js'
import type { Headers } from '../http/fields.js'
import type { ResponseHead, UpstreamResponse } from '../http/response.js'
import type { Statuses } from '../http/status-ranges.js'
import type { Deadline, DeadlinePool } from './deadline.js'
import { isConnectionFault, outcomeOf } from './failures/blame.js'
import { diagnose, isClosing } from './failures/diagnosis.js'
import {
  BackendError,
  BackendTimeoutError,
  isClientsDoing,
  LateError,
  RejectedResponseError,
  SilentlyClosedError,
  UploadStalledError,
} from './failures/failures.js'
import { isQuietStream } from './quiet-streams.js'
import { type BodyOwner, ResponseBody } from './response-body.js'
import { checkResponseHead } from './response-check.js'
import type { Transport, TransportListener } from './transport/transport.js'
import { switchProtocols } from './tunnel/switch-protocols.js'
import { UploadProgress } from './upload-progress.js'

/** Milliseconds; 0 for none. */
export interface Timeouts {
  /** To a connection to the backend, TLS included. */
  connect: number
  /** From the end of the request to the first byte of the response. */
  response: number
  /** Between two chunks of a body, in either direction. */
  body: number
}

/** Whom an attempt reports to: a response or an error, or neither where protocols are switched. */
export interface AttemptListener {
  /** Whether a response with this status is not passed on, because another backend is asked instead. */
  rejects(attempt: Attempt, statusCode: number): boolean
  /** The head of a response has come, which is delivered soon. */
  onResponse(attempt: Attempt): void
  deliver(response: UpstreamResponse): void
  onFailed(attempt: Attempt, error: Error): void
  /** Whether the gateway shuts down, and waits only for what still makes progress. */
  isShuttingDown(): boolean
}

/** What the backend is waited for: to connect, to take the request, to respond, to go on with its body. */
type Phase = BackendTimeoutError['waitingFor'] | 'over'

/** One request on one backend, from its dispatch to the backend's last byte. It holds the lease meanwhile. */
export class Attempt implements TransportListener, BodyOwner {
  readonly lease: Lease
  readonly #context: ProxyContext
  readonly #timeouts: Timeouts
  readonly #isFailure: Statuses
  readonly #listener: AttemptListener
  readonly #deadlines: DeadlinePool
  /** Of the current phase; undefined once the attempt is over. */
  #deadline: Deadline | undefined
  #transport!: Transport
  #phase: Phase = 'connection'
  #sentAt = 0
  /** Set where there is a body to send. */
  #upload: UploadProgress | undefined
  /** Set by the head of the response. */
  #body: ResponseBody | undefined
  #outcome: Outcome = 'ok'

  /** Whether the backend may have seen something of the request. */
  isSent = false
  /** Whether some of the request's body was read, so that it can be sent to no other backend. */
  isBodyTaken = false

  constructor(
    context: ProxyContext,
    lease: Lease,
    timeouts: Timeouts,
    isFailure: Statuses,
    deadlines: DeadlinePool,
    listener: AttemptListener,
  ) {
    this.#context = context
    this.lease = lease
    this.#timeouts = timeouts
    this.#isFailure = isFailure
    this.#listener = listener
    this.#deadlines = deadlines
    this.#deadline = deadlines.take(() => this.#onDeadline())
    // Named before it is assigned: V8 allocates a function literal that is assigned to a property in the old generation,
    // where it keeps the whole request alive until the next full collection.
    const cut = (reason: Error) => this.#fail(reason, 'cancelled')
    lease.onCut = cut
    this.#sentAt = this.now
    lease.dispatched(this.#sentAt)
    this.#deadline.set(timeouts.connect)
  }

  get backend() {
    return this.lease.backend
  }

  get now(): number {
    return this.#deadlines.clock.now()
  }

  get isOver(): boolean {
    return this.#phase === 'over'
  }

  /** Sends the request. */
  start(transport: Transport): void {
    this.#transport = transport
    transport.send(this.#context, this)
  }

  /** Whether only the connection was to blame for a failure, and the backend may be well. */
  isConnectionFault(error: Error): boolean {
    if (this.#body) return false
    return isConnectionFault(error, this.#transport.reused, this.now - this.#sentAt)
  }

  // Called by the transport: the request.

  onLookedUp(): void {
    if (this.#phase === 'connection') this.#deadline?.set(this.#timeouts.connect)
  }

  onStarted(): void {
    if (this.isOver) return
    this.isSent = true
    this.#sentAt = this.now
    this.lease.sent(this.#sentAt)
    if (this.#context.body) {
      this.#upload = new UploadProgress(this.#sentAt)
      this.lease.uploading()
      this.#enter('request', this.#timeouts.body)
    } else {
      this.#enter('response', this.#timeouts.response)
    }
  }

  onBodyStarted(): void {
    this.isBodyTaken = true
  }

  onBodySent(bytes: number): void {
    this.#context.bytesIn += bytes
    this.#upload?.sent(bytes, this.now)
    if (this.#phase === 'request' || (this.#phase === 'body' && !this.#body?.isPaused)) {
      this.#deadline?.set(this.#bodyTimeout)
    }
  }

  onBodyEnd(): void {
    if (this.#upload) this.#upload.isOver = true
    this.lease.uploaded(this.now)
    if (this.#phase === 'request') this.#enter('response', this.#timeouts.response)
  }

  onBodyStopped(): void {
    // The lease is not told that it was uploaded: how soon a backend refuses does not say how fast it is.
    this.#upload?.refuse()
  }

  // Called by the transport: the response.

  onResponseHead(statusCode: number, headers: Headers, statusMessage: string): void {
    if (this.isOver) return
    if (statusCode >= 100 && statusCode < 200 && statusCode !== 101) {
      this.#context.downstream.inform(statusCode, headers)
      return
    }
    const fault = checkResponseHead(statusCode, headers)
    if (fault) {
      this.#fail(fault, 'failed')
      return
    }
    const isFailure = this.#isFailure(statusCode)
    if (isFailure) this.#outcome = 'failed'
    const { now } = this
    this.lease.answered(now, isFailure ? 'failed' : statusCode >= 400 ? 'refused' : 'ok')
    if (this.#listener.rejects(this, statusCode)) {
      this.#fail(new RejectedResponseError(statusCode), this.#outcome)
      return
    }
    const context = this.#context
    context.responseHead = { statusCode, statusMessage, headers, connection: headers.connection }
    context.respondedAt = now
    if (isQuietStream(headers)) context.isQuiet = true
    this.#phase = 'body'
    const deadline = this.#deadline as Deadline
    this.#body = new ResponseBody(this, context, this.#transport, deadline, this.#bodyTimeout)
    this.#listener.onResponse(this)
  }

  onResponseData(chunk: Buffer): void {
    if (this.isOver) return
    this.#context.bytesOut += chunk.length
    this.#body?.push(chunk)
  }

  onResponseEnd(trailers: Headers): void {
    if (this.isOver) return
    this.#finish(this.#outcome)
    this.#transport.done()
    this.#body?.end(trailers)
  }

  onSwitched(headers: Headers, socket: Socket, head: Buffer): void {
    this.#deadline?.clear()
    const stall = {
      timeout: this.#timeouts.body,
      clock: this.#deadlines.clock,
      isShuttingDown: () => this.#listener.isShuttingDown(),
    }
    const onOver = (outcome: Outcome) => this.#finish(outcome)
    const error = switchProtocols(this.#context, this.lease, { headers, socket, head }, stall, onOver)
    if (error) this.#fail(error, error instanceof ClientGoneError ? 'cancelled' : 'failed')
  }

  onFailed(failure: Error): void {
    if (this.isOver) return
    const isSilent = this.isSent && isClosing(failure) && this.#transport.silent
    const error = isSilent ? new SilentlyClosedError(failure) : failure
    const outcome = outcomeOf(error, {
      now: this.now,
      isSent: this.isSent,
      isRespondingWell: this.#isRespondingWell,
      isUpgrade: this.#context.upgrade !== undefined,
      upload: this.#upload,
      isUploadBlocked: this.#transport.blocked,
      body: this.#body,
    })
    this.#fail(error, outcome)
  }

  // Called by the body of the response.

  deliver(body: UpstreamResponse['body']): void {
    const { statusCode, headers } = this.#context.responseHead as ResponseHead
    this.#listener.deliver({ statusCode, headers, body })
  }

  onBodyDropped(error: Error | null): void {
    this.#fail(error ?? new ClientGoneError(), 'cancelled')
  }

  /** Milliseconds for which a body may make no progress; 0 for any. */
  get #bodyTimeout(): number {
    return this.#context.isQuiet ? 0 : this.#timeouts.body
  }

  get #isRespondingWell(): boolean {
    return this.#phase === 'body' && this.#outcome === 'ok'
  }

  #enter(phase: Phase, timeout: number): void {
    this.#phase = phase
    this.#deadline?.set(timeout)
  }

  /** The deadline of the current phase has expired. */
  #onDeadline(): void {
    const phase = this.#phase
    if (phase === 'over') return
    // A look-up has a time limit of its own.
    if (phase === 'connection' && this.#transport.lookingUp) return
    const upload = this.#upload?.isOver === false ? this.#upload : undefined
    if (upload && !this.#transport.blocked) this.#onUploadStalled(upload)
    // A backend that has responded well may have nothing to send, and is not blamed for it.
    else if (this.#isRespondingWell) this.#fail(new BackendTimeoutError('body'), 'cancelled')
    else this.#fail(new BackendTimeoutError(upload ? 'request' : phase), 'failed')
  }

  /**
   * The client or the app did not send more of the body in time. Where it is the client, the watch on the client's connection
   * ends the request with a better reason in the time that a client gets once more.
   */
  #onUploadStalled(upload: UploadProgress): void {
    const isMade = this.#context.source?.complete === true
    if (upload.isLate || isMade) {
      this.#fail(new UploadStalledError(isMade), 'cancelled')
    } else {
      upload.isLate = true
      this.#deadline?.set(this.#timeouts.body)
    }
  }

  #fail(error: Error, outcome: Outcome): void {
    if (this.isOver) return
    // A response that had begun is delivered before it breaks.
    this.#body?.open()
    this.#phase = 'over'
    this.#transport?.abort(error)
    const context = this.#context
    if (!isClientsDoing(error) && !(error instanceof LateError)) {
      const { code, text } = diagnose(error)
      context.cause = this.lease.cause = { code, text }
    }
    this.#finish(outcome)
    if (this.#body) {
      if (!(error instanceof ClientGoneError)) context.responseError = error
      context.downstream.break()
      this.#body.destroy(outcome === 'cancelled' ? error : new BackendError(this.backend.id, error))
    } else {
      this.#listener.onFailed(this, error)
    }
  }

  /** The backend is done with the request. */
  #finish(outcome: Outcome): void {
    this.#phase = 'over'
    if (this.#deadline) this.#deadlines.giveBack(this.#deadline)
    this.#deadline = undefined
    if (this.#context.lease === this.lease) this.#context.endedAt = this.now
    this.lease.release(outcome)
  }
}
