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
  /** Further attempts of a request that had reached a backend; 0 for no further attempt at all. */
  retries: number
  /** Statuses of responses after which another backend is asked. */
  isRetried: Statuses
}

/** Methods that may be sent twice: RFC 9110 section 9.2.2, and the IANA registry of methods. */
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

/** Number of free attempts after attempts that reached no backend; each further one is taken from the retry budget. */
const FREE_SEARCHES = 20

const NONE: ReadonlySet<Backend> = new Set()

/**
 * Decides whether one request may have another attempt, and with which backends. The order of the questions is that of
 * Caddy's reverse proxy: is there a backend left to try, was a backend reached at all, may the request be sent twice.
 */
export class RetryRules {
  readonly #options: RetryOptions
  readonly #context: ProxyContext
  /** Monotonic milliseconds. */
  readonly #startedAt: number
  #failed: Set<Backend> | undefined
  /** Attempts that followed an attempt which had reached a backend. */
  #retries = 0
  /** Attempts that followed an attempt which had reached no backend. */
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

  /** A further attempt begins. @param isReached whether the one before had reached a backend */
  noteRetry(isReached: boolean): void {
    if (isReached) this.#retries++
    else this.#searches++
  }

  /**
   * Whether another backend is asked instead of passing a response on; the budget is charged then.
   * @param isHedged whether a second attempt is under way, which may get a better response
   */
  rejects({ backend }: AttemptState, statusCode: number, isHedged: boolean): boolean {
    const { isRetried, retries, balancer } = this.#options
    const { method, body } = this.#context
    if (!isRetried(statusCode) || !IDEMPOTENT.has(method) || body || this.#retries >= retries) return false
    if (isHedged) return true
    return balancer.hasRoom(new Set([...this.failed, backend])) && balancer.retryBudget.spend()
  }

  /** Whether another attempt may follow a failed one. If so, the budget is charged, unless the attempt is free. */
  allows(attempt: AttemptState, error: Error): boolean {
    const { retries, balancer } = this.#options
    if (retries === 0 || attempt.isBodyTaken || isClientFault(error)) return false
    // On any other backend the response would be too large as well, or the connection would fail as well.
    if (isHeadTooLarge(error) || exhaustionOf(error)) return false
    if (!attempt.isSent) return this.#allowsSearch()
    if (this.#retries >= retries) return false
    // The budget was charged when the response was rejected.
    if (error instanceof RejectedResponseError) return true
    // The client has waited for as long as a response may take.
    if (error instanceof BackendTimeoutError) return false
    if (!IDEMPOTENT.has(this.#context.method)) return false
    if (attempt.isConnectionFault(error)) return true
    return balancer.hasOther(this.failed) && balancer.retryBudget.spend()
  }

  /**
   * Whether another backend is tried after one that was not reached. A backend that was not reached has seen nothing of
   * the request, so nothing can be done twice, and no client needs to see an error while another backend would take the
   * request. Three limits apply: no backend is tried twice, a client waits no longer than for a response, and the
   * budget runs out where a whole large pool is down.
   */
  #allowsSearch(): boolean {
    const { balancer, timeouts } = this.#options
    if (timeouts.response > 0 && balancer.clock.now() - this.#startedAt >= timeouts.response) return false
    if (!balancer.hasOther(this.failed)) return false
    return this.#searches < FREE_SEARCHES || balancer.retryBudget.spend()
  }
}
