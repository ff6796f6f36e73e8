import type { FastifyRequest } from 'fastify'
import type { Backend } from '../../balancer/backends/backend.js'
import { contextOf } from '../../proxy/context.js'
import type { RejectionObserver } from '../../proxy/downstream/connection/early-rejection.js'
import type { RequestOutcome, RequestRecord } from '../record.js'
import { Histogram } from './histogram.js'

/** What a request was answered with; `none` where no answer was begun. */
export const statusClasses = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const
export const outcomes = ['ok', 'failed', 'refused', 'cancelled'] as const satisfies readonly RequestOutcome[]

/** What came of the requests that one backend had last, or of those that none had. */
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

  /** One of which no times are known. */
  count({ statusCode, outcome, bytesOut }: Pick<RequestRecord, 'statusCode' | 'outcome' | 'bytesOut'>): void {
    // An app may answer with more than 599 in a hook.
    const status = statusCode === null ? 0 : Math.min(5, Math.trunc(statusCode / 100))
    ;(this.#requests[status * outcomes.length + outcomes.indexOf(outcome)] as number)++
    this.bytesOut += bytesOut
  }

  /** So far, by the places of both in their lists. */
  requests(statusClass: number, outcome: number): number {
    return this.#requests[statusClass * outcomes.length + outcome] as number
  }
}

/** Errors that clients of any pool may get; others are known once they occurred. */
const EXPECTED = [
  'LEASTWISE_BAD_GATEWAY',
  'LEASTWISE_GATEWAY_TIMEOUT',
  'LEASTWISE_NO_BACKEND',
  'LEASTWISE_OVERLOADED',
  'LEASTWISE_QUEUE_FULL',
  'LEASTWISE_QUEUE_TIMEOUT',
]

/** Largest number of codes of errors that are counted apart. */
const MAX_ERROR_CODES = 100
/** The label of all other codes. */
const OTHER_CODES = 'other'

/**
 * Counts what came of the requests of a pool. Plain numbers, which become metrics when somebody asks: with the
 * library's own, which look up their labels at each count, a request would cost thirty times as much.
 */
export class RequestCounters {
  /** By identity: one that was removed leaves nothing behind, whatever may yet come of its requests. */
  readonly #backends = new WeakMap<Backend, BackendCounters>()
  /** Of requests that no backend had. */
  readonly none = new BackendCounters()
  /** Time in the queue of those that had to wait, whatever became of them. */
  readonly queueWait = new Histogram()
  /** Errors that requests were answered with by the gateway, or cut by, and how often. A rate begins at 0. */
  readonly errors = new Map<string, number>(EXPECTED.map((code) => [code, 0]))

  /** To be told of every request when it is over. */
  readonly observe = (record: RequestRecord, request: FastifyRequest): void => {
    const { backend, error } = record
    const lease = backend === null ? undefined : contextOf(request)?.lease
    const tally = lease ? this.of(lease.backend) : this.none
    tally.add(record)
    if (request.queuedAt || record.queueTime > 0) this.queueWait.add(record.queueTime / 1000)
    if (error !== null) this.#failed(error)
  }

  /** To be told of every answer to what no route ever saw. */
  readonly refused: RejectionObserver = ({ statusCode, code, bytes }) => {
    this.none.count({ statusCode, outcome: 'refused', bytesOut: bytes })
    this.#failed(code)
  }

  #failed(error: string): void {
    // Hooks of the app choose codes of their own, and somebody may put into them what changes with each request.
    const code = this.errors.size < MAX_ERROR_CODES || this.errors.has(error) ? error : OTHER_CODES
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1)
  }

  of(backend: Backend): BackendCounters {
    let tally = this.#backends.get(backend)
    if (!tally) {
      tally = new BackendCounters()
      this.#backends.set(backend, tally)
    }
    return tally
  }
}
