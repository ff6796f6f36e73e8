import type { FastifyRequest } from 'fastify'
import type { Backend } from '../../balancer/backends/backend.js'
import { contextOf } from '../../proxy/context.js'
import type { RejectionObserver } from '../../proxy/downstream/connection/early-rejection.js'
import { downstreamOf } from '../../proxy/downstream/downstream.js'
import type { RequestRecord } from '../record.js'
import { BackendCounters } from './backend-counters.js'
import { type ErrorCounts, LocalErrorCounts } from './error-counts.js'
import { Histogram } from './histogram.js'

/** The counters of a pool's requests, as they are read. */
export interface PoolCounters {
  /** Counters of the requests that no backend had. */
  readonly none: BackendCounters
  /** Time in the queue of the requests that had to wait, whatever their outcome. */
  readonly queueWait: Histogram
  readonly errors: ErrorCounts
  of(backend: Backend): BackendCounters
}

/** Where the counters of a pool's requests are kept. */
export interface CounterMemory {
  /** Makes the counters of a backend, or of the requests that no backend had. */
  backend(backend?: Backend): BackendCounters
  readonly queueWait: Histogram
  readonly errors: ErrorCounts
}

function localMemory(): CounterMemory {
  return {
    backend: () => new BackendCounters(),
    queueWait: new Histogram(),
    errors: new LocalErrorCounts(),
  }
}

/**
 * Counts the outcomes of the requests of a pool in this thread. The counters are plain numbers and become metrics only
 * when a page is requested: prom-client's own counters look up their labels at each count, which takes thirty times as
 * long.
 */
export class RequestCounters implements PoolCounters {
  readonly none: BackendCounters
  readonly queueWait: Histogram
  readonly errors: ErrorCounts
  /**
   * The counters of each backend, by identity. The map is weak, so the counters of a removed backend are freed with it,
   * even where its requests end later.
   */
  readonly #backends = new WeakMap<Backend, BackendCounters>()
  readonly #memory: CounterMemory

  constructor(memory = localMemory()) {
    this.#memory = memory
    this.none = memory.backend()
    this.queueWait = memory.queueWait
    this.errors = memory.errors
  }

  /** The observer of requests that are over. */
  readonly observe = (record: RequestRecord, request: FastifyRequest): void => {
    const { backend, error } = record
    const lease = backend === null ? undefined : contextOf(request)?.lease
    const counters = lease ? this.of(lease.backend) : this.none
    counters.add(record)
    if (downstreamOf(request)?.queuedAt || record.queueTime > 0) this.queueWait.add(record.queueTime / 1000)
    if (error !== null) this.errors.add(error)
  }

  /** The observer of requests that were rejected before any route saw them. */
  readonly rejected: RejectionObserver = ({ statusCode, code, bytes }) => {
    this.none.count({ statusCode, outcome: 'refused', bytesOut: bytes })
    this.errors.add(code)
  }

  of(backend: Backend): BackendCounters {
    let counters = this.#backends.get(backend)
    if (!counters) {
      counters = this.#memory.backend(backend)
      this.#backends.set(backend, counters)
    }
    return counters
  }
}
