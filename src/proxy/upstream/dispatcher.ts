// One request takes the following way to a backend and back:
//  1. dispatcher.ts   sees that the request has a lease, and gives it to a forwarder;
//  2. forwarder.ts    makes an attempt on the lease's backend, and another one if that fails or takes long;
//  3. attempt.ts      holds the lease from the first byte to the last, under the deadline of each phase;
//  4. transport/http1 sends the request on a connection, and reports the response to the attempt;
//  5. response-body.ts delivers the body, whole or as a stream, by way of the forwarder to the callback of step 1.
import type { Backend } from '../../balancer/backends/backend.js'
import { ClientGoneError, StoppedError } from '../../balancer/errors.js'
import type { ProxyContext } from '../context.js'
import type { ResponseCallback } from '../http/response.js'
import { statusesOf } from '../http/status-ranges.js'
import { DeadlinePool } from './deadline.js'
import { watchNames } from './dns/backend-names.js'
import { hostLookup, systemNames } from './dns/host-lookup.js'
import type { NameLookup } from './dns/name-lookup.js'
import { Forwarder, type ForwarderOptions } from './forwarder.js'
import { reacquire } from './reacquire.js'
import { defaultTlsOptionsOf, type TlsOptionsOf } from './tls/upstream-tls.js'
import { addressOf } from './transport/address.js'
import { type ConnectionOptions, ConnectionPool } from './transport/http1/connection-pool.js'
import { Connector } from './transport/http1/connector.js'

export interface DispatcherOptions
  extends Omit<
      ForwarderOptions,
      'isFailure' | 'isRetried' | 'connectionsTo' | 'doubtAddresses' | 'deadlines'
    >,
    Omit<ConnectionOptions, 'clock'> {
  /** Statuses of responses that count as gateway failures, as {@link statusesOf} reads them; empty for none. */
  failureStatus: string
  /** Statuses of responses after which another backend is asked, as {@link statusesOf} reads them; empty for none. */
  retryStatus: string
  /** Resolves the names of backends. By default all pools of this process share one such object. */
  names?: NameLookup
  /** Returns the options for TLS with a backend. By default those of Node apply, without any setting of a pool. */
  tlsOptionsOf?: TlsOptionsOf
}

/**
 * Sends the requests of one pool, each to the backend of its lease. Leases are held here, and not by hooks of Fastify,
 * until the backend is done, because no hook is called exactly once for every way in which a request can end.
 */
export class LeaseDispatcher {
  readonly #connections = new Map<Backend, ConnectionPool>()
  readonly #options: ForwarderOptions
  readonly #connectionOptions: ConnectionOptions
  readonly #names: NameLookup
  readonly #tlsOptionsOf: TlsOptionsOf
  readonly #stopNames: () => void

  constructor({
    failureStatus,
    retryStatus,
    names = systemNames,
    tlsOptionsOf = defaultTlsOptionsOf,
    ...options
  }: DispatcherOptions) {
    const { registry, clock } = options.balancer
    this.#connectionOptions = { ...options, clock }
    this.#names = names
    this.#tlsOptionsOf = tlsOptionsOf
    this.#options = {
      ...options,
      isFailure: statusesOf(failureStatus),
      isRetried: statusesOf(retryStatus),
      deadlines: new DeadlinePool(clock),
      connectionsTo: (backend) => this.#connectionsTo(backend),
      // A backend that was removed has no connections any more, and must get none here.
      doubtAddresses: (backend) => this.#connections.get(backend)?.connector.lookup?.doubt(),
    }
    registry.on('removed', (backend) => this.#closeConnections(backend))
    this.#stopNames = watchNames(registry, names)
  }

  /**
   * Forwards a request to the backend of its lease.
   * @param callback called once with a response or an error, unless the client leaves
   */
  forward(context: ProxyContext, callback: ResponseCallback): void {
    if (context.lease.held) {
      new Forwarder(this.#options, context, callback)
    } else if (context.isOver) {
      callback(new ClientGoneError())
    } else {
      // The backend was removed before anything was sent to it, so another backend can take the request as well.
      reacquire(this.#options.balancer, context, {
        again: false,
        onLease: () => new Forwarder(this.#options, context, callback),
        onReject: callback,
      })
    }
  }

  /** Cuts every request and closes every connection to a backend. */
  destroy(): void {
    this.#stopNames()
    // The pool is stopped before any connection is closed, so that no request is retried.
    this.#options.balancer.stop(new StoppedError('the app was closed'))
    for (const connections of this.#connections.values()) connections.destroy()
    this.#connections.clear()
    this.#options.deadlines.close()
  }

  #connectionsTo(backend: Backend): ConnectionPool {
    let known = this.#connections.get(backend)
    if (!known) {
      const address = addressOf(backend)
      const lookup = hostLookup(this.#names, address.host)
      const tls = () => this.#tlsOptionsOf(backend)
      const connector = new Connector(address, lookup, tls, this.#options.timeouts.connect)
      known = new ConnectionPool(connector, this.#connectionOptions)
      this.#connections.set(backend, known)
    }
    return known
  }

  /**
   * Closes the connections to a backend that was removed. Its requests in flight end by themselves, or are cut by their
   * leases.
   */
  #closeConnections(backend: Backend): void {
    const known = this.#connections.get(backend)
    this.#connections.delete(backend)
    known?.close()
  }
}
