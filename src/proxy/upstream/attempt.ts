import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { type Dispatcher, errors } from 'undici'
import { ClientGoneError } from '../../balancer/errors.js'
import type { Lease } from '../../balancer/leases/lease.js'
import type { Outcome } from '../../balancer/leases/outcome.js'
import type { Clock } from '../../balancer/time/clock.js'
import type { ProxyContext } from '../context.js'
import type { Headers } from '../http/fields.js'
import { type ResponseHead, type UpstreamResponse, WholeBody } from '../http/response.js'
import type { Statuses } from '../http/status-ranges.js'
import type { Deadline } from './deadlines/deadline.js'
import type { Deadlines } from './deadlines/deadlines.js'
import { UnresolvedError } from './dns/name-lookup.js'
import { diagnose, isClosing } from './failures/diagnosis.js'
import { exhaustionOf } from './failures/exhaustion.js'
import {
  BackendError,
  BackendTimeoutError,
  BadResponseError,
  isClientsDoing,
  isHeadTooLarge,
  LateError,
  RejectedResponseError,
  SilentlyClosedError,
  UploadStalledError,
} from './failures/failures.js'
import { isQuietStream } from './quiet-streams.js'
import { ResponseBatcher } from './response-batcher.js'
import type { Transport } from './transport/connection.js'
import type { Flow, NodeRequestHandler } from './transport/node-request.js'
import { openTunnel } from './tunnel/tunnel.js'

/** Milliseconds; 0 for none. */
export interface Timeouts {
  /** To a connection to the backend, TLS included. */
  connect: number
  /** From the end of the request to the first byte of the response. */
  response: number
  /** Between two chunks of a body, in either direction. */
  body: number
}

/** Whom an attempt reports to: an answer or an error, or neither where the protocol was switched. */
export interface AttemptListener {
  /** Whether an answer of that status is not passed on, as another backend is going to be asked. */
  isRejected(attempt: Attempt, statusCode: number): boolean
  /** The head of an answer has come; it is delivered soon. */
  answered(attempt: Attempt): void
  deliver(answer: UpstreamResponse): void
  failed(attempt: Attempt, error: Error): void
  /** Whether the gateway shuts down, and waits for nothing that it need not wait for. */
  isShuttingDown(): boolean
}

/** What the backend is waited for: to connect, to take the request, to answer, to go on with its body. */
type Phase = BackendTimeoutError['waitingFor'] | 'over'

const waiting = new ResponseBatcher()

/** Milliseconds within which a connection that was closed before it was used again shows it. */
const STALE_WITHIN = 500

/** What a connection fails with that was not just ended. */
const GARBAGE = /^HPE_(?!INVALID_EOF_STATE)/
/** Milliseconds without progress that a server may lose its patience over. */
const STALLED = 200
/** Bytes of a body from which on a server may find it too large before it has all of it. */
const LARGE = 64 * 1024

/** One request on one backend, from the dispatch to the backend's last word. It holds the lease meanwhile. */
export class Attempt implements Dispatcher.DispatchHandler, NodeRequestHandler {
  readonly #assignment: ProxyContext
  readonly #lease: Lease
  readonly #timeouts: Timeouts
  readonly #isFailure: Statuses
  readonly #clock: Clock
  readonly #owner: AttemptListener
  readonly #deadlines: Deadlines
  /** Until the request is over. */
  #deadline: Deadline | undefined
  /** Set before anything is sent. */
  transport!: Transport
  #phase: Phase = 'connection'
  #flow: Flow | undefined
  #answer: Readable | undefined
  /** What came together with the head of an answer that is yet to be delivered. */
  #early: Buffer[] | undefined
  #sentAt = 0
  #paused = false
  #pausedAt = 0
  /** Milliseconds that the client did not take what the backend had. */
  #pausedFor = 0
  #uploading = false
  /** The backend has answered without taking all of the upload. */
  #refused = false
  /** Bytes of the request's body that were sent, and when the last of them were. */
  #moved = 0
  #movedAt = 0
  /** Whether the body did not go on in time, once so far. */
  #stalled = false
  #outcome: Outcome = 'ok'
  #bodyless = false
  #lengthKnown = true

  /** The backend may have seen something of the request. */
  sent = false
  /** Something of the request's body was taken, and cannot be sent again. */
  bodyTaken = false

  constructor(
    assignment: ProxyContext,
    lease: Lease,
    timeouts: Timeouts,
    isFailure: Statuses,
    deadlines: Deadlines,
    owner: AttemptListener,
  ) {
    this.#assignment = assignment
    this.#lease = lease
    this.#timeouts = timeouts
    this.#isFailure = isFailure
    this.#clock = deadlines.clock
    this.#owner = owner
    this.#deadlines = deadlines
    this.#deadline = deadlines.take(() => this.#late())
    // Named before it is assigned: V8 puts a function literal that is assigned to a property into the old
    // generation, where it keeps the whole request alive until the next full collection.
    const cut = (reason: Error) => this.#fail(reason, 'cancelled')
    lease.onCut = cut
    this.#sentAt = this.#clock.now()
    lease.dispatched(this.#sentAt)
    this.#deadline?.set(timeouts.connect)
  }

  /** Milliseconds since the request was sent. */
  get #age(): number {
    return this.#clock.now() - this.#sentAt
  }

  /** Milliseconds for which a body may be silent; 0 for as long as it likes. */
  get #silence(): number {
    return this.#assignment.isQuiet ? 0 : this.#timeouts.body
  }

  get backend() {
    return this.#lease.backend
  }

  get lease() {
    return this.#lease
  }

  /**
   * Whether the backend may be well, and the connection was not: it had been used before and was closed
   * meanwhile, or undici took an unexpected 100 (Continue) on it for an error, which Node's client does not.
   */
  isConnectionsFault(error: Error): boolean {
    if (this.#answer || this.#early) return false
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (error instanceof errors.SocketError && error.message === 'bad response') return true
    const closed = ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(code)
    return this.transport.reused && closed && this.#age < STALE_WITHIN
  }

  // What undici calls.

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#phase === 'over') return
    this.#flow = controller
    this.#send()
    this.#enter('response', this.#timeouts.response)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: Headers,
    statusMessage?: string,
  ): void {
    this.#flow = controller
    this.onAnswerHead(statusCode, headers, statusMessage ?? '')
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.onAnswerData(chunk)
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: Headers): void {
    if (this.transport.broken && !this.#lengthKnown) {
      const reset: NodeJS.ErrnoException = new Error('the connection was reset in mid-body')
      reset.code = 'ECONNRESET'
      this.onFailed(reset)
    } else {
      this.onAnswerEnd(trailers)
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    // The length of a body that is not there, which undici waited for.
    if (this.#bodyless && error instanceof errors.ResponseContentLengthMismatchError) this.onAnswerEnd({})
    else this.onFailed(this.transport.failure ?? error)
  }

  onLookedUp(): void {
    if (this.#phase === 'connection') this.#deadline?.set(this.#timeouts.connect)
  }

  // What Node's client calls.

  onStarted(flow: Flow): void {
    if (this.#phase === 'over') return
    this.#send()
    this.#flow = flow
    this.#uploading = this.#assignment.body !== undefined
    this.#movedAt = this.#sentAt
    if (this.#uploading) {
      this.#lease.uploading()
      this.#enter('request', this.#timeouts.body)
    } else {
      this.#enter('response', this.#timeouts.response)
    }
  }

  onBodyTaken(): void {
    this.bodyTaken = true
  }

  onBodyMoved(length: number): void {
    this.#moved += length
    this.#assignment.bytesIn += length
    this.#movedAt = this.#clock.now()
    this.#stalled = false
    if (this.#phase === 'request' || (this.#phase === 'body' && !this.#paused)) {
      this.#deadline?.set(this.#silence)
    }
  }

  onBodySent(): void {
    this.#uploading = false
    this.#lease.uploaded(this.#clock.now())
    if (this.#phase === 'request') this.#enter('response', this.#timeouts.response)
  }

  onBodyStopped(): void {
    // How soon it answers what it does not take says nothing of how fast it is.
    this.#uploading = false
    this.#refused = true
  }

  onAnswerHead(statusCode: number, headers: Headers, statusMessage: string): void {
    if (this.#phase === 'over') return
    if (statusCode >= 100 && statusCode < 200 && statusCode !== 101) {
      this.#assignment.downstream.inform(statusCode, headers)
      return
    }
    const coding = headers['transfer-encoding']
    if (statusCode < 200 || statusCode > 599) {
      this.#fail(new BadResponseError(`status ${statusCode} is none`), 'failed')
      return
    }
    // What else it is coded with we would have to undo, RFC 9112 section 6.1.
    if (coding !== undefined && String(coding).toLowerCase() !== 'chunked') {
      this.#fail(new BadResponseError(`transfer coding "${coding}" is not understood`), 'failed')
      return
    }
    const failed = this.#isFailure(statusCode)
    if (failed) this.#outcome = 'failed'
    const now = this.#clock.now()
    this.#lease.answered(now, failed ? 'failed' : statusCode >= 400 ? 'refused' : 'ok')
    if (this.#owner.isRejected(this, statusCode)) {
      this.#fail(new RejectedResponseError(statusCode), this.#outcome)
      return
    }
    this.#lengthKnown = 'content-length' in headers || coding !== undefined
    // Such an answer may name the length of a body that it does not have (RFC 9110 section 8.6).
    this.#bodyless = statusCode === 204 || statusCode === 304
    this.#assignment.responseHead = { statusCode, statusMessage, headers, connection: headers.connection }
    this.#assignment.respondedAt = now
    if (isQuietStream(headers)) this.#assignment.isQuiet = true
    this.#enter('body', this.#silence)
    this.#early = []
    this.#owner.answered(this)
    waiting.add(this)
  }

  onAnswerData(chunk: Buffer): void {
    if (this.#phase === 'over') return
    this.#assignment.bytesOut += chunk.length
    if (this.#early) this.#early.push(chunk)
    else this.#pass(chunk)
  }

  onAnswerEnd(trailers: Headers): void {
    if (this.#phase === 'over') return
    this.#over(this.#outcome)
    this.transport.done()
    const early = this.#early
    if (early && this.#isWhole(early)) {
      this.#early = undefined
      this.#deliver(new WholeBody(early.length === 1 ? (early[0] as Buffer) : Buffer.concat(early)))
      return
    }
    this.open()
    this.#assignment.downstream.trailers(trailers)
    this.#answer?.push(null)
  }

  /** Whether that is as much as the head has promised. */
  #isWhole(chunks: readonly Buffer[]): boolean {
    let length = 0
    for (const chunk of chunks) length += chunk.length
    return String(length) === this.#assignment.responseHead?.headers['content-length']
  }

  /** Delivers an answer of which more has yet to come; nothing where that was done. */
  open(): void {
    const early = this.#early
    if (!early) return
    this.#early = undefined
    this.#answer = new Readable({
      highWaterMark: 64 * 1024,
      read: () => {
        if (this.#answer?.readableLength === 0 && this.#phase !== 'over')
          this.#assignment.downstream.flushHead()
        if (this.#paused) this.#resume()
      },
      destroy: (error, done) => {
        // Whoever reads the body gave up on it: the backend need not go on.
        if (this.#phase !== 'over') this.#fail(error ?? new ClientGoneError(), 'cancelled')
        done(error)
      },
    })
    // It may be that nobody reads the body, or nobody yet, when it breaks.
    this.#answer.on('error', () => {})
    this.#deliver(this.#answer)
    for (const chunk of early) this.#pass(chunk)
  }

  #deliver(body: UpstreamResponse['body']): void {
    const { statusCode, headers } = this.#assignment.responseHead as ResponseHead
    this.#owner.deliver({ statusCode, headers, body })
  }

  #pass(chunk: Buffer): void {
    const takesMore = this.#answer?.push(chunk)
    if (this.#phase === 'over') return
    if (takesMore === false) {
      // It is the client that is slow now, and the backend has nothing to do.
      this.#paused = true
      this.#pausedAt = this.#clock.now()
      this.#deadline?.clear()
      this.#flow?.pause()
    } else {
      this.#deadline?.set(this.#silence)
    }
  }

  onSwitched(headers: Headers, socket: Socket, head: Buffer): void {
    const wanted = this.#assignment.upgrade?.toLowerCase().split(',') ?? []
    const chosen = String(headers.upgrade ?? '').toLowerCase()
    const isWanted = (one: string) => wanted.some((protocol) => protocol.trim() === one.trim())
    // A server must not switch to what it was not asked for, RFC 9110 section 7.8.
    if (!chosen.split(',').every(isWanted)) {
      socket.destroy()
      this.#fail(new BadResponseError(`a switch to "${chosen}" that nobody asked for`), 'failed')
      return
    }
    this.#assignment.respondedAt = this.#clock.now()
    this.#lease.answered(this.#assignment.respondedAt)
    const client = this.#assignment.downstream.switchProtocols(headers)
    if (!client) {
      socket.destroy()
      this.#fail(new ClientGoneError(), 'cancelled')
      return
    }
    this.#deadline?.clear()
    this.#assignment.isTunnel = true
    const ends = { client: client.socket, clientHead: client.head, backend: socket, backendHead: head }
    const lease = this.#lease
    lease.switched()
    const close = openTunnel(
      ends,
      chosen.trim() === 'websocket',
      {
        silence: this.#timeouts.body,
        clock: this.#clock,
        isShuttingDown: () => this.#owner.isShuttingDown(),
      },
      () => lease.moved(),
      () => this.#over('ok'),
    )
    this.#lease.onCut = (reason) => {
      // The tunnel knows better: what the client said last may still be on its way.
      if (reason instanceof ClientGoneError) return
      close()
      this.#over('cancelled')
    }
  }

  onFailed(failure: Error): void {
    const silently = this.sent && isClosing(failure) && this.transport.silent
    const error = silently ? new SilentlyClosedError(failure) : failure
    // That the gateway takes no larger heads, or has no descriptor left, is not the backend's fault, either.
    const blameless =
      isClientsDoing(error) ||
      isHeadTooLarge(error) ||
      error instanceof UnresolvedError ||
      exhaustionOf(error) !== undefined ||
      this.#isLostByUpload
    this.#fail(error, blameless ? 'cancelled' : this.#isProvoked(error) ? 'doubtful' : 'failed')
  }

  /**
   * Whether the backend has answered well without taking all of the upload. As it closes then, with some of the upload
   * unread, its system may throw away what is left of the answer.
   */
  get #isLostByUpload(): boolean {
    return this.#refused && this.#phase === 'body' && this.#outcome === 'ok'
  }

  /**
   * Whether a backend that breaks off may have had its reasons with this client: one that sends more than it
   * takes, stalls, does not read, or wants a protocol that it does not know. No client should be able to have a
   * backend ejected.
   */
  #isProvoked(error: Error): boolean {
    if (!this.sent || GARBAGE.test((error as NodeJS.ErrnoException).code ?? '')) return false
    if (this.#refused || (this.#assignment.upgrade && !this.#answer)) return true
    if (this.#uploading) {
      const stalled = !this.transport.blocked && this.#clock.now() - this.#movedAt >= STALLED
      return stalled || this.#moved >= LARGE
    }
    return this.#pausedFor + (this.#paused ? this.#clock.now() - this.#pausedAt : 0) >= STALLED
  }

  #send(): void {
    this.sent = true
    this.#sentAt = this.#clock.now()
    this.#lease.sent(this.#sentAt)
  }

  #enter(phase: Phase, limit: number): void {
    this.#phase = phase
    this.#deadline?.set(limit)
  }

  #resume(): void {
    this.#paused = false
    this.#pausedFor += this.#clock.now() - this.#pausedAt
    if (this.#phase === 'over') return
    this.#deadline?.set(this.#silence)
    this.#flow?.resume()
  }

  /** The time of the present phase is over. */
  #late(): void {
    if (this.#phase === 'over') return
    // How long the resolver takes is not the backend's business; whoever looks names up gives up in time.
    if (this.#phase === 'connection' && this.transport.lookingUp) return
    if (this.#uploading && !this.transport.blocked) {
      // It is the client's turn to send, or the app's: the backend is not to blame. What watches the client's connection
      // ends the request before this, as it knows the reason.
      const { source } = this.#assignment
      if (this.#stalled || source?.complete) {
        this.#fail(new UploadStalledError(source?.complete === true), 'cancelled')
      } else {
        this.#stalled = true
        this.#deadline?.set(this.#timeouts.body)
      }
    } else if (this.#phase === 'body' && this.#outcome === 'ok') {
      // A backend that had answered well is not blamed for silence: it may have nothing to send.
      this.#fail(new BackendTimeoutError('body'), 'cancelled')
    } else {
      this.#fail(new BackendTimeoutError(this.#uploading ? 'request' : this.#phase), 'failed')
    }
  }

  #fail(error: Error, outcome: Outcome): void {
    if (this.#phase === 'over') return
    this.open()
    this.#phase = 'over'
    this.transport?.abort(error)
    if (!isClientsDoing(error) && !(error instanceof LateError)) {
      const { code, text } = diagnose(error)
      this.#assignment.cause = this.#lease.cause = { code, text }
    }
    this.#over(outcome)
    if (this.#answer) {
      if (!(error instanceof ClientGoneError)) this.#assignment.responseError = error
      this.#assignment.downstream.break()
      this.#answer.destroy(outcome === 'cancelled' ? error : new BackendError(this.backend.id, error))
    } else {
      this.#owner.failed(this, error)
    }
  }

  #over(outcome: Outcome): void {
    this.#phase = 'over'
    if (this.#deadline) this.#deadlines.giveBack(this.#deadline)
    this.#deadline = undefined
    if (this.#assignment.lease === this.#lease) this.#assignment.endedAt = this.#clock.now()
    this.#lease.release(outcome)
  }
}
