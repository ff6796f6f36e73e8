import type { Backend } from '../../balancer/backends/backend.js'
import type { Balancer } from '../../balancer/balancer.js'
import type { ProxyContext } from '../context.js'
import type { Statuses } from '../http/status-ranges.js'
import type { AttemptState } from './attempt-listener.js'
import { exhaustionOf } from './failures/exhaustion.js'
import {
  BackendTimeoutError,
  isClientFault,
  isHeadTooLarge,
  RejectedResponseError,
} from './failures/failures.js'
import type { Timeouts } from './timeouts.js'

export interface RetryOptions {
  balancer: Balancer
  timeouts: Timeouts
  /**
   * Largest number of further attempts for a request that had reached a backend; 0 for no further attempt of any kind.
   */
  retries: number
  /** Largest body in bytes that is kept to be sent again after a failure of a backend; 0 for none. */
  requestBuffer: number
  /** Statuses of responses after which another backend is asked. */
  isRetried: Statuses
}

/** Idempotent methods, which may be sent twice: RFC 9110 section 9.2.2, and the IANA registry of methods. */
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

/**
 * Number of free attempts after attempts that reached no backend; each attempt beyond that is charged to the retry
 * budget.
 */
const FREE_SEARCHES = 20

const NONE: ReadonlySet<Backend> = new Set()

/**
 * Decides whether one request may have another attempt, and with which backends. The questions come in the same order
 * as in Caddy's reverse proxy: is there a backend left to try, was a backend reached at all, may the request be sent
 * twice.
 */
export class RetryRules {
  readonly #options: RetryOptions
  readonly #context: ProxyContext
  /** Time at which forwarding began, in monotonic milliseconds. */
  readonly #startedAt: number
  #failed: Set<Backend> | undefined
  /** Number of attempts that followed an attempt which had reached a backend. */
  #retries = 0
  /** Number of attempts that followed an attempt which had reached no backend. */
  #searches = 0

  constructor(options: RetryOptions, context: ProxyContext) {
    this.#options = options
    this.#context = context
    this.#startedAt = options.balancer.clock.now()
  }

  /** The backends that have failed the request. */
  get failed(): ReadonlySet<Backend> {
    return this.#failed ?? NONE
  }

  noteFailure(backend: Backend): void {
    this.#failed ??= new Set()
    this.#failed.add(backend)
  }

  /**
   * Counts a further attempt, which begins now. @param isReached true if the attempt before it had reached a backend
   */
  noteRetry(isReached: boolean): void {
    if (isReached) this.#retries++
    else this.#searches++
  }

  /**
   * Returns true if another backend is asked instead of passing a response on. The retry budget is charged then, unless
   * a second attempt is already under way.
   * @param isHedged true if a second attempt is under way, which may get a better response
   */
  rejects({ backend }: AttemptState, statusCode: number, isHedged: boolean): boolean {
    const { isRetried, retries, balancer } = this.#options
    const { method, body } = this.#context
    if (!isRetried(statusCode) || !IDEMPOTENT.has(method) || this.#retries >= retries) return false
    if (body && !this.#isBodyKept) return false
    if (isHedged) return true
    return balancer.hasRoom(new Set([...this.failed, backend])) && balancer.retryBudget.spend()
  }

  /**
   * Returns true if another attempt may follow a failed one. The retry budget is charged then, unless the attempt is
   * free.
   */
  allows(attempt: AttemptState, error: Error): boolean {
    const { retries, balancer } = this.#options
    if (retries === 0 || isClientFault(error)) return false
    const isStale = attempt.isConnectionFault(error)
    // A small body is still in memory, and goes to another connection after one that had been closed.
    if (attempt.isBodyTaken && !(isStale && this.#context.wholeBody)) return false
    // The response of any other backend would be too large as well, or the connection to it would fail as well.
    if (isHeadTooLarge(error) || exhaustionOf(error)) return false
    if (!attempt.isSent) return this.#allowsSearch()
    if (this.#retries >= retries) return false
    // The retry budget was charged when the response was rejected.
    if (error instanceof RejectedResponseError) return true
    // The client has already waited for as long as a response may take.
    if (error instanceof BackendTimeoutError) return false
    if (!IDEMPOTENT.has(this.#context.method)) return false
    if (isStale) return true
    // Unless it is to be kept for that, a body that was sent is sent again only after a stale connection.
    if (this.#context.wholeBody && !this.#isBodyKept) return false
    return balancer.hasOther(this.failed) && balancer.retryBudget.spend()
  }

  /** True if the whole body is in memory, and small enough to be kept for further attempts. */
  get #isBodyKept(): boolean {
    const { wholeBody } = this.#context
    return wholeBody !== undefined && wholeBody.length <= this.#options.requestBuffer
  }

  /**
   * Returns true if another backend is tried after one that was not reached. A backend that was not reached has seen
   * nothing of the request, so nothing can be done twice, and no client needs to see an error while another backend
   * would take the request. Three limits apply: no backend is tried twice, a client waits no longer than for a
   * response, and the retry budget runs out if a whole large pool is down.
   */
  #allowsSearch(): boolean {
    const { balancer, timeouts } = this.#options
    if (timeouts.response > 0 && balancer.clock.now() - this.#startedAt >= timeouts.response) return false
    if (!balancer.hasOther(this.failed)) return false
    return this.#searches < FREE_SEARCHES || balancer.retryBudget.spend()
  }
}
