import { errors } from 'undici'
import type { Backend } from '../../balancer/backends/backend.js'
import { StoppedError } from '../../balancer/errors.js'
import type { ProxyContext } from '../context.js'
import type { ResponseCallback } from '../http/response.js'
import { statusesOf } from '../http/status-ranges.js'
import { Deadlines } from './deadlines/deadlines.js'
import { watchNames } from './dns/backend-names.js'
import { systemNames } from './dns/host-lookup.js'
import type { NameLookup } from './dns/name-lookup.js'
import { Forwarder, type ForwarderOptions } from './forwarder.js'
import { reacquire } from './reacquire.js'
import { Connections } from './transport/connections.js'

export interface DispatcherOptions
  extends Omit<ForwarderOptions, 'isFailure' | 'isRetried' | 'connectionsTo' | 'deadlines'> {
  /** Statuses of answers that count as gateway failures, as {@link statusesOf} reads them; empty for none. */
  failureStatus: string
  /** Statuses of answers that another backend may do better, as {@link statusesOf} reads them; empty for none. */
  retryStatus: string
  /** What is known of backends' names; by default what the system says. */
  names?: NameLookup
}

/**
 * What reply-from sends requests through. Which backend a request goes to, its lease says; and the lease is
 * held here until the backend is done with the request, because no hook of Fastify fires exactly once for
 * every way in which a request can end.
 */
export class LeaseDispatcher {
  readonly #connections = new Map<Backend, Connections>()
  readonly #options: ForwarderOptions
  readonly #names: NameLookup
  readonly #unwatch: () => void

  constructor({ failureStatus, retryStatus, names = systemNames, ...options }: DispatcherOptions) {
    this.#names = names
    this.#options = {
      ...options,
      isFailure: statusesOf(failureStatus),
      isRetried: statusesOf(retryStatus),
      deadlines: new Deadlines(options.balancer.clock),
      connectionsTo: (backend) => this.#connectionsTo(backend),
    }
    options.balancer.registry.on('removed', (backend) => this.#retire(backend))
    this.#unwatch = watchNames(options.balancer.registry, names)
  }

  /** Has a backend respond to a request: the one of its lease, or another. */
  forward(context: ProxyContext, method: string, callback: ResponseCallback): void {
    if (context.lease.held) {
      new Forwarder(this.#options, context, method, callback)
    } else if (context.isOver) {
      callback(new errors.RequestAbortedError())
    } else {
      // The backend was removed before anything was sent, so that another one serves as well.
      reacquire(this.#options.balancer, context, {
        again: false,
        granted: () => new Forwarder(this.#options, context, method, callback),
        refused: callback,
      })
    }
  }

  /** Cuts every request and closes every connection. */
  destroy(): void {
    // First of all, so that nothing is tried again.
    this.#unwatch()
    this.#options.balancer.stop(new StoppedError('the app was closed'))
    for (const connections of this.#connections.values()) connections.destroy()
    this.#connections.clear()
    this.#options.deadlines.close()
  }

  #connectionsTo(backend: Backend): Connections {
    let known = this.#connections.get(backend)
    if (!known) {
      known = new Connections(backend, this.#options.maxResponseHeaders, this.#names)
      this.#connections.set(backend, known)
    }
    return known
  }

  #retire(backend: Backend): void {
    const known = this.#connections.get(backend)
    this.#connections.delete(backend)
    // Waits for requests in flight; those of a forced removal are cut by their leases.
    known?.close()
  }
}
