import type { FastifyRequest } from 'fastify'
import type { Backend } from '../../balancer/backends/backend.js'
import { contextOf } from '../../proxy/context.js'
import type { RejectionObserver } from '../../proxy/downstream/connection/early-rejection.js'
import { downstreamOf } from '../../proxy/downstream/downstream.js'
import type { RequestOutcome, RequestRecord } from '../record.js'
import { Histogram } from './histogram.js'

/** Classes of response statuses; `none` where no response was begun. */
export const statusClasses = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const
export const outcomes = ['ok', 'failed', 'refused', 'cancelled'] as const satisfies readonly RequestOutcome[]

/** Counts the outcomes of requests: of those that one backend had last, or of those that no backend had. */
export class BackendCounters {
  readonly #requests = new Float64Array(statusClasses.length * outcomes.length)
  readonly duration = new Histogram()
  readonly firstByte = new Histogram()
  bytesIn = 0
  bytesOut = 0

  add(record: RequestRecord): void {
    this.count(record)
    this.duration.add(record.responseTime / 1000)
    if (record.firstByteTime !== null) this.firstByte.add(record.firstByteTime / 1000)
    this.bytesIn += record.bytesIn
  }

  /** Counts a request whose times are not known. */
  count({ statusCode, outcome, bytesOut }: Pick<RequestRecord, 'statusCode' | 'outcome' | 'bytesOut'>): void {
    // An app may answer with more than 599 in a hook.
    const status = statusCode === null ? 0 : Math.min(5, Math.trunc(statusCode / 100))
    ;(this.#requests[status * outcomes.length + outcomes.indexOf(outcome)] as number)++
    this.bytesOut += bytesOut
  }

  /** The number of requests so far, by the indices of status class and outcome in their lists. */
  requests(statusClass: number, outcome: number): number {
    return this.#requests[statusClass * outcomes.length + outcome] as number
  }
}

/** Errors that clients of any pool may get. They are counted from 0, so that a rate exists before the first one. */
const EXPECTED = [
  'LEASTWISE_BAD_GATEWAY',
  'LEASTWISE_GATEWAY_TIMEOUT',
  'LEASTWISE_NO_BACKEND',
  'LEASTWISE_OVERLOADED',
  'LEASTWISE_QUEUE_FULL',
  'LEASTWISE_QUEUE_TIMEOUT',
]

/** Largest number of error codes that have a counter of their own. */
const MAX_ERROR_CODES = 100
/** The label under which all further codes are counted. */
const OTHER_CODES = 'other'

/**
 * Counts the outcomes of the requests of a pool. The counters are plain numbers and become metrics only when a page is
 * requested: prom-client's own counters look up their labels at each count, which takes thirty times as long.
 */
export class RequestCounters {
  /**
   * The counters of each backend, by identity. The map is weak, so the counters of a removed backend are freed with it,
   * even where its requests end later.
   */
  readonly #backends = new WeakMap<Backend, BackendCounters>()
  /** Counters of the requests that no backend had. */
  readonly none = new BackendCounters()
  /** Time in the queue of the requests that had to wait, whatever their outcome. */
  readonly queueWait = new Histogram()
  /** How often the gateway responded with each error code, or cut a response because of it. */
  readonly errors = new Map<string, number>(EXPECTED.map((code) => [code, 0]))

  /** The observer of requests that are over. */
  readonly observe = (record: RequestRecord, request: FastifyRequest): void => {
    const { backend, error } = record
    const lease = backend === null ? undefined : contextOf(request)?.lease
    const counters = lease ? this.of(lease.backend) : this.none
    counters.add(record)
    if (downstreamOf(request)?.queuedAt || record.queueTime > 0) this.queueWait.add(record.queueTime / 1000)
    if (error !== null) this.#failed(error)
  }

  /** The observer of requests that were rejected before any route saw them. */
  readonly rejected: RejectionObserver = ({ statusCode, code, bytes }) => {
    this.none.count({ statusCode, outcome: 'refused', bytesOut: bytes })
    this.#failed(code)
  }

  #failed(error: string): void {
    // Hooks of the app choose error codes of their own, which may even differ with each request, so the number of
    // counters is bounded.
    const code = this.errors.size < MAX_ERROR_CODES || this.errors.has(error) ? error : OTHER_CODES
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1)
  }

  of(backend: Backend): BackendCounters {
    let counters = this.#backends.get(backend)
    if (!counters) {
      counters = new BackendCounters()
      this.#backends.set(backend, counters)
    }
    return counters
  }
}
