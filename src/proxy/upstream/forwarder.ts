import type { Backend } from '../../balancer/backends/backend.js'
import type { HostHeader } from '../../balancer/backends/spec.js'
import { ClientGoneError } from '../../balancer/errors.js'
import type { Lease } from '../../balancer/leases/lease.js'
import type { HedgeAfter } from '../../balancer/resilience/hedging.js'
import type { ProxyContext } from '../context.js'
import type { ResponseCallback, UpstreamResponse } from '../http/response.js'
import { Attempt, type AttemptOptions } from './attempt.js'
import type { AttemptListener, AttemptState } from './attempt-listener.js'
import { UnresolvedError } from './dns/unresolved-error.js'
import { BackendError, RejectedResponseError } from './failures/failures.js'
import { Hedge } from './hedge.js'
import { reacquire } from './reacquire.js'
import { type RetryOptions, RetryRules } from './retry-rules.js'
import type { ConnectionPool } from './transport/http1/connection-pool.js'

/** Options that all requests of one pool share. */
export interface ForwarderOptions extends AttemptOptions, RetryOptions {
  hostHeader: HostHeader
  /** The time after which requests are hedged; undefined where the pool's applies. */
  hedge?: HedgeAfter | undefined
  connectionsTo(backend: Backend): ConnectionPool
  /** Called when a backend was not reached, so that its name may have another address by now. */
  doubtAddresses(backend: Backend): void
  /** Called with the error of each attempt that failed. */
  onFailed(error: Error): void
}

/**
 * Forwards one request to a backend. If the backend fails and the request can safely be sent again, another backend is
 * asked; if the first backend takes long, a second one is asked concurrently. The first response is passed on.
 */
export class Forwarder implements AttemptListener {
  readonly #options: ForwarderOptions
  readonly #context: ProxyContext
  /** The callback, which is called once with the response or the error; undefined afterwards. */
  #callback: ResponseCallback | undefined
  readonly #retryRules: RetryRules
  readonly #hedge: Hedge | undefined
  /** The attempts in flight: one, or two if there is a hedge. */
  readonly #attempts: AttemptState[] = []

  constructor(options: ForwarderOptions, context: ProxyContext, callback: ResponseCallback) {
    this.#options = options
    this.#context = context
    this.#callback = callback
    const { balancer } = options
    this.#retryRules = new RetryRules(options, context)
    balancer.requested()
    this.#hedge = Hedge.expect(balancer, context, () => this.#sendHedge(), options.hedge)
    this.#attempt(context.lease, false)
  }

  // Attempts call the following methods.

  resends(attempt: AttemptState, error: Error): boolean {
    return attempt.isConnectionFault(error) && this.#retryRules.allows(attempt, error)
  }

  rejects(attempt: AttemptState, statusCode: number): RejectedResponseError | undefined {
    const isHedged = this.#attempts.length > 1
    return this.#retryRules.rejects(attempt, statusCode, isHedged)
      ? new RejectedResponseError(statusCode)
      : undefined
  }

  onResponse(attempt: AttemptState): void {
    this.#hedge?.onResponse(attempt)
    const context = this.#context
    context.lease = attempt.lease
    context.hedge = undefined
    context.wholeBody = undefined
    const { host, responseHead } = context
    // A health check may use the Host of a request to which the backend has responded well.
    if (host !== undefined && responseHead && responseHead.statusCode < 400) attempt.backend.clientHost = host
    for (const other of this.#attempts.splice(0)) if (other !== attempt) this.#hedge?.drop(other, attempt)
  }

  deliver(response: UpstreamResponse): void {
    this.#end(null, response)
  }

  isShuttingDown(): boolean {
    return this.#options.balancer.endsConnections
  }

  onFailed(attempt: AttemptState, error: Error): void {
    const index = this.#attempts.indexOf(attempt)
    // The other attempt already has a response, so the result of this attempt is ignored.
    if (index < 0) return
    this.#attempts.splice(index, 1)
    if (error instanceof ClientGoneError) {
      this.#hedge?.cancel()
      // If the client has left, the callback is not called: reply-from would log an error, and would respond on a
      // closed socket.
      this.#callback = undefined
      return
    }
    this.#options.onFailed(error)
    if (!attempt.isSent && !(error instanceof UnresolvedError)) this.#options.doubtAddresses(attempt.backend)
    this.#retryRules.noteFailure(attempt.backend)
    const [other] = this.#attempts
    if (other) {
      this.#context.lease = other.lease
      this.#context.hedge = undefined
      return
    }
    // No hedge is sent while a retry waits in the queue.
    this.#hedge?.cancel()
    if (this.#retryRules.allows(attempt, error)) this.#retry(attempt, error)
    else this.#end(new BackendError(attempt.backend.id, error))
  }

  #sendHedge(): boolean {
    const [first] = this.#attempts
    const lease = first && this.#hedge?.takeLease(this.#retryRules.failed, first)
    if (!lease) return false
    this.#attempt(lease, false)
    return true
  }

  /**
   * Starts an attempt.
   * @param isFresh true if its connection must be a new one, which the backend cannot have closed meanwhile
   */
  #attempt(lease: Lease, isFresh: boolean): void {
    const context = this.#context
    const attempt = new Attempt(context, lease, this.#options, this)
    this.#attempts.push(attempt)
    context.downstream.trace?.startAttempt(context, lease)
    context.fields[1] = this.#hostFor(lease.backend)
    const connections = this.#options.connectionsTo(lease.backend)
    attempt.start(isFresh || context.upgrade !== undefined ? connections.takeNew() : connections.take())
  }

  /** Returns the value of the Host field for a backend. */
  #hostFor(backend: Backend): string {
    const { host } = this.#context
    const wanted = backend.hostHeader ?? this.#options.hostHeader
    return wanted === 'client' && host !== undefined ? host : backend.host
  }

  /**
   * Retries the request on a backend that has not failed it, or on the same backend if only the connection was to
   * blame.
   */
  #retry(attempt: AttemptState, error: Error): void {
    const { balancer } = this.#options
    const { failed } = this.#retryRules
    const isStale = attempt.isConnectionFault(error)
    const isElsewhere = !isStale || balancer.hasRoom(failed)
    reacquire(balancer, this.#context, {
      except: isElsewhere ? failed : undefined,
      again: true,
      onLease: (lease) => {
        this.#retryRules.noteRetry(attempt.isSent)
        balancer.retried()
        this.#context.attempts++
        this.#attempt(lease, isStale)
      },
      // The client is told why the backend failed, and not why no other backend was available.
      onReject: () => this.#end(new BackendError(attempt.backend.id, error)),
    })
  }

  #end(error: Error | null, response?: UpstreamResponse): void {
    this.#hedge?.cancel()
    const callback = this.#callback
    this.#callback = undefined
    try {
      callback?.(error, response)
    } catch (thrown) {
      // The response could not be passed on, so the callback gets an error instead; otherwise the client would wait for
      // ever.
      if (error) throw thrown
      response?.body.destroy()
      callback?.(new BackendError(this.#context.lease.backend.id, thrown as Error))
    }
  }
}
