import type { Dispatcher } from 'undici'
import type { Backend } from '../../balancer/backends/backend.js'
import type { HostHeader } from '../../balancer/backends/spec.js'
import type { Balancer } from '../../balancer/balancer.js'
import { ClientGoneError } from '../../balancer/errors.js'
import type { Lease } from '../../balancer/leases/lease.js'
import type { Wait } from '../../balancer/resilience/hedging.js'
import type { ProxyContext } from '../context.js'
import type { ResponseCallback, UpstreamResponse } from '../http/response.js'
import type { Statuses } from '../http/status-ranges.js'
import { Attempt, type AttemptListener, type Timeouts } from './attempt.js'
import type { Deadlines } from './deadlines/deadlines.js'
import { UnresolvedError } from './dns/name-lookup.js'
import { exhaustionOf } from './failures/exhaustion.js'
import {
  BackendError,
  BackendTimeoutError,
  isClientsDoing,
  isHeadTooLarge,
  LateError,
  RejectedResponseError,
} from './failures/failures.js'
import { reacquire } from './reacquire.js'
import type { Connections } from './transport/connections.js'
import { NodeRequest } from './transport/node-request.js'

/** What deliveries of one pool have in common. */
export interface ForwarderOptions {
  balancer: Balancer
  timeouts: Timeouts
  /** Further tries of a request that reached a backend; 0 for none at all. */
  retries: number
  /** Statuses of answers that count as gateway failures. */
  isFailure: Statuses
  /** Statuses of answers that another backend may do better. */
  isRetried: Statuses
  hostHeader: HostHeader
  /** Largest body of a request in bytes; 0 for any. */
  maxBody: number
  /** Largest head of an answer in bytes, and largest trailers. */
  maxResponseHeaders: number
  connectionsTo(backend: Backend): Connections
  deadlines: Deadlines
  /** Told of what attempts fail with. */
  onFailed(error: Error): void
}

/** Methods that may be sent again, RFC 9110 section 9.2.2 and the registry of methods it set up. */
const IDEMPOTENT = new Set([
  'ACL',
  'BIND',
  'CHECKOUT',
  'COPY',
  'DELETE',
  'GET',
  'HEAD',
  'LINK',
  'MERGE',
  'MKACTIVITY',
  'MKCALENDAR',
  'MKCOL',
  'MOVE',
  'OPTIONS',
  'PROPFIND',
  'PROPPATCH',
  'PUT',
  'QUERY',
  'REBIND',
  'REPORT',
  'SEARCH',
  'UNBIND',
  'UNLINK',
])

/** Methods of which a second backend may be asked while the first has yet to answer. */
const HEDGED = new Set(['GET', 'HEAD'])

/** Tries after one that reached no backend which cost a request nothing; each further one is taken from the budget. */
const FREE_SEARCHES = 20

/**
 * One request, brought to a backend; to another one where that fails and nothing is lost by it, and to a second
 * one at the same time where it takes too long. The first to answer is passed on.
 */
export class Forwarder implements AttemptListener {
  readonly #options: ForwarderOptions
  readonly #assignment: ProxyContext
  readonly #method: string
  #callback: ResponseCallback | undefined
  readonly #tried = new Set<Backend>()
  /** Tries after one that reached a backend, and was failed by it. */
  #retries = 0
  /** Tries after one that reached nobody. */
  #searches = 0
  readonly #begunAt: number
  /** What is under way: one attempt, or two. */
  readonly #attempts: Attempt[] = []
  #wait: Wait | undefined
  /** What was taken for a second try at the same time. */
  #second: Lease | undefined

  constructor(
    options: ForwarderOptions,
    assignment: ProxyContext,
    method: string,
    callback: ResponseCallback,
  ) {
    this.#options = options
    this.#assignment = assignment
    this.#method = method
    this.#callback = callback
    const { balancer } = options
    this.#begunAt = balancer.clock.now()
    balancer.requested()
    if (HEDGED.has(method) && !assignment.body && !assignment.upgrade) {
      this.#wait = balancer.hedging.expect(() => this.#hedge())
    }
    this.#attempt(assignment.lease, false)
  }

  isRejected(attempt: Attempt, statusCode: number): boolean {
    const { isRetried, retries, balancer } = this.#options
    if (!isRetried(statusCode) || !IDEMPOTENT.has(this.#method) || this.#assignment.body) return false
    if (this.#retries >= retries) return false
    // The other one, which is under way, may do better.
    if (this.#attempts.length > 1) return true
    const tried = new Set([...this.#tried, attempt.backend])
    return balancer.hasRoom(tried) && balancer.retryBudget.spend()
  }

  answered(attempt: Attempt): void {
    this.#wait?.answered()
    if (attempt.lease === this.#second) this.#options.balancer.hedging.wins()
    const assignment = this.#assignment
    assignment.lease = attempt.lease
    assignment.hedge = undefined
    const { host, responseHead } = assignment
    if (host !== undefined && responseHead && responseHead.statusCode < 400) attempt.backend.clientHost = host
    for (const other of this.#attempts.splice(0)) if (other !== attempt) this.#drop(other, attempt)
  }

  #drop(late: Attempt, first: Attempt): void {
    if (late.lease.acquiredAt < first.lease.acquiredAt) this.#options.balancer.overtaken(late.lease)
    late.lease.cut(new LateError())
  }

  deliver(answer: UpstreamResponse): void {
    this.#answer(null, answer)
  }

  isShuttingDown(): boolean {
    return this.#options.balancer.endsConnections
  }

  failed(attempt: Attempt, error: Error): void {
    const index = this.#attempts.indexOf(attempt)
    // It lost, and nobody waits for it.
    if (index < 0) return
    this.#attempts.splice(index, 1)
    if (error instanceof ClientGoneError) {
      this.#wait?.cancel()
      // There is nobody to tell; reply-from would log an error and answer a closed socket.
      this.#callback = undefined
      return
    }
    this.#options.onFailed(error)
    // The backend may have another address now.
    if (!attempt.sent && !(error instanceof UnresolvedError)) {
      this.#options.connectionsTo(attempt.backend).lookup?.doubt()
    }
    this.#tried.add(attempt.backend)
    const [other] = this.#attempts
    if (other) {
      // It may yet answer.
      this.#assignment.lease = other.lease
      this.#assignment.hedge = undefined
      return
    }
    // It may have to wait for the next one, and its client leave meanwhile.
    this.#wait?.cancel()
    if (this.#mayRetry(attempt, error)) this.#retry(attempt, error)
    else this.#answer(new BackendError(attempt.backend.id, error))
  }

  /** Asks a second backend, if that costs nobody else anything; returns whether it did. */
  #hedge(): boolean {
    const [first] = this.#attempts
    if (!first) return false
    const tried = new Set([...this.#tried, first.backend])
    const lease = this.#options.balancer.leaseForHedge(tried, this.#assignment.requestId)
    if (!lease) return false
    this.#second = lease
    this.#assignment.hedge = lease
    this.#assignment.attempts++
    this.#attempt(lease, false)
    return true
  }

  /** @param again a second try gets a connection of its own, and cannot fail like the first on one that was stale */
  #attempt(lease: Lease, again: boolean): void {
    const { timeouts, isFailure, maxBody, connectionsTo, deadlines } = this.#options
    const assignment = this.#assignment
    const { body, source, upgrade, path, expectsContinue, takesTrailers } = assignment
    const { isTrailerDropped } = assignment
    const { backend } = lease
    const connections = connectionsTo(backend)
    const attempt = new Attempt(assignment, lease, timeouts, isFailure, deadlines, this)
    this.#attempts.push(attempt)
    const method = this.#method
    const headers = assignment.fields
    headers[1] = this.#hostFor(backend)
    const ordinary = method === 'GET' && !body && !upgrade && !takesTrailers
    if (ordinary && !again) {
      const connection = connections.take()
      attempt.transport = connection
      connection.send(
        {
          path,
          method: method as Dispatcher.HttpMethod,
          headers,
          // By default that is the Host field, which is the client's: undici would drop a TLS connection
          // whenever the next request on it names another.
          servername: backend.host,
        } as Dispatcher.DispatchOptions,
        attempt,
      )
    } else {
      const options = {
        method,
        path,
        // It is sent later, and there may be another attempt by then.
        headers: [...headers],
        body,
        source,
        maxBody,
        upgrade,
        expectsContinue,
        takesTrailers,
        isTrailerLeftOut: isTrailerDropped,
        fresh: again,
      }
      attempt.transport = new NodeRequest(connections, options, attempt)
    }
  }

  #hostFor(backend: Backend): string {
    const { host } = this.#assignment
    const wanted = backend.hostHeader ?? this.#options.hostHeader
    return wanted === 'client' && host !== undefined ? host : backend.host
  }

  #mayRetry(attempt: Attempt, error: Error): boolean {
    const { retries, balancer } = this.#options
    if (retries === 0 || attempt.bodyTaken || isClientsDoing(error)) return false
    // Another backend would answer the same.
    if (isHeadTooLarge(error) || exhaustionOf(error)) return false
    if (!attempt.sent) return this.#maySearch()
    if (this.#retries >= retries) return false
    // It is paid for.
    if (error instanceof RejectedResponseError) return true
    // The time that the client was to wait is up.
    if (error instanceof BackendTimeoutError) return false
    if (!IDEMPOTENT.has(this.#method)) return false
    if (attempt.isConnectionsFault(error)) return true
    return balancer.hasOther(this.#tried) && balancer.retryBudget.spend()
  }

  /**
   * Whether another backend is tried after one that was not reached. It has seen nothing of the request, so that
   * nothing can be done twice, and while one is left that takes it no client needs to see an error. What bounds it is
   * that no backend is tried twice, the time that a client waits for an answer anyhow, and, where a large pool is
   * down as a whole, the budget.
   */
  #maySearch(): boolean {
    const { balancer, timeouts } = this.#options
    if (timeouts.response > 0 && balancer.clock.now() - this.#begunAt >= timeouts.response) return false
    if (!balancer.hasOther(this.#tried)) return false
    return this.#searches < FREE_SEARCHES || balancer.retryBudget.spend()
  }

  /** On a backend that this request has not failed on; or on the same where only the connection was to blame. */
  #retry(attempt: Attempt, error: Error): void {
    const { balancer } = this.#options
    const another = !attempt.isConnectionsFault(error) || balancer.hasRoom(this.#tried)
    reacquire(balancer, this.#assignment, {
      except: another ? this.#tried : undefined,
      again: true,
      granted: () => {
        if (attempt.sent) this.#retries++
        else this.#searches++
        balancer.retried()
        this.#assignment.attempts++
        this.#attempt(this.#assignment.lease, true)
      },
      // It is the backend's answer that the client will be told, whatever became of the second try.
      refused: () => this.#answer(new BackendError(attempt.backend.id, error)),
    })
  }

  #answer(error: Error | null, answer?: UpstreamResponse): void {
    this.#wait?.cancel()
    const callback = this.#callback
    this.#callback = undefined
    try {
      callback?.(error, answer)
    } catch (thrown) {
      // Whoever asked could not make an answer of this one; without another the client would wait for ever.
      if (error) throw thrown
      answer?.body.destroy()
      callback?.(new BackendError(this.#assignment.lease.backend.id, thrown as Error))
    }
  }
}
