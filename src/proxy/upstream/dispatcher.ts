// One request takes the following way to a backend and back:
//  1. forwarding.ts   sees that the request has a lease, and gives it to a forwarder;
//  2. forwarder.ts    makes an attempt on the lease's backend, and another one if that fails or takes long;
//  3. attempt.ts      holds the lease from the first byte to the last, under the deadline of each phase;
//  4. transport/http1 sends the request on a connection, and reports the response to the attempt;
//  5. response-body.ts delivers the body, whole or as a stream, by way of the forwarder to the callback of step 1.
import type { Backend } from '../../balancer/backends/backend.js'
import { StoppedError } from '../../balancer/errors.js'
import type { HedgeAfter } from '../../balancer/resilience/hedging.js'
import { statusesOf } from '../http/status-ranges.js'
import { DeadlinePool } from './deadline.js'
import { watchNames } from './dns/backend-names.js'
import { hostLookup, systemNames } from './dns/host-lookup.js'
import type { NameLookup } from './dns/name-lookup.js'
import type { ForwarderOptions } from './forwarder.js'
import { Forwarding } from './forwarding.js'
import type { Timeouts } from './timeouts.js'
import { defaultTlsOptionsOf, type TlsOptionsOf } from './tls/upstream-tls.js'
import { addressOf } from './transport/address.js'
import { type ConnectionOptions, ConnectionPool } from './transport/http1/connection-pool.js'
import { Connector } from './transport/http1/connector.js'

/** Options that may change while the pool is in use. They apply to what begins afterwards. */
export interface ForwardingOptions
  extends Omit<
      ForwarderOptions,
      | 'balancer'
      | 'isFailure'
      | 'isRetried'
      | 'hedge'
      | 'connectionsTo'
      | 'doubtAddresses'
      | 'deadlines'
      | 'onFailed'
    >,
    Omit<ConnectionOptions, 'clock'> {
  /** Statuses of responses that count as gateway failures, as {@link statusesOf} reads them; empty for none. */
  failureStatus: string
  /** Statuses of responses after which another backend is asked, as {@link statusesOf} reads them; empty for none. */
  retryStatus: string
}

export interface DispatcherOptions
  extends ForwardingOptions,
    Pick<ForwarderOptions, 'balancer' | 'onFailed'> {
  /** Resolves the names of backends. By default all pools of this process share one such object. */
  names?: NameLookup
  /** Returns the options for TLS with a backend. By default those of Node apply, without any setting of a pool. */
  tlsOptionsOf?: TlsOptionsOf
}

/** What a route has in place of the options of its pool; undefined where the pool's option applies. */
export interface RouteForwarding {
  timeouts?: { [T in keyof Timeouts]?: number | undefined } | undefined
  retries?: number | undefined
  hedge?: HedgeAfter | undefined
}

/**
 * Has the connections to the backends of one pool, and sends requests on them, each to the backend of its lease. Leases
 * are held here, and not by hooks of Fastify, until the backend is done, because no hook is called exactly once for
 * every way in which a request can end.
 */
export class LeaseDispatcher {
  readonly #connections = new Map<Backend, ConnectionPool>()
  #options: ForwarderOptions
  readonly #connectionOptions: ConnectionOptions
  readonly #names: NameLookup
  readonly #tlsOptionsOf: TlsOptionsOf
  readonly #stopNames: () => void

  constructor({ names = systemNames, tlsOptionsOf = defaultTlsOptionsOf, ...options }: DispatcherOptions) {
    const { balancer, onFailed } = options
    const { registry, clock } = balancer
    this.#names = names
    this.#tlsOptionsOf = tlsOptionsOf
    this.#connectionOptions = { ...connectionOptionsOf(options), clock }
    this.#options = {
      ...forwarderOptionsOf(options),
      balancer,
      onFailed,
      deadlines: new DeadlinePool(clock),
      connectionsTo: (backend) => this.#connectionsTo(backend),
      // A backend that was removed has no connections any more, and must get none here.
      doubtAddresses: (backend) => this.#connections.get(backend)?.connector.lookup?.doubt(),
    }
    registry.on('removed', (backend) => this.#closeConnections(backend))
    this.#stopNames = watchNames(registry, names)
  }

  /** Returns what forwards the requests of a route. @param own what the route has in place of the pool's options */
  forwarding({ timeouts, retries, hedge }: RouteForwarding = {}): Forwarding {
    const pool = this.#options
    return new Forwarding({
      ...pool,
      retries: retries ?? pool.retries,
      hedge,
      timeouts: {
        connect: timeouts?.connect ?? pool.timeouts.connect,
        response: timeouts?.response ?? pool.timeouts.response,
        body: timeouts?.body ?? pool.timeouts.body,
      },
    })
  }

  /** Takes other options. They apply to connections from now on, and to what {@link forwarding} returns from now on. */
  configure(options: ForwardingOptions): void {
    this.#options = { ...this.#options, ...forwarderOptionsOf(options) }
    // All pools of connections share this object.
    Object.assign(this.#connectionOptions, connectionOptionsOf(options))
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

function forwarderOptionsOf({
  failureStatus,
  retryStatus,
  timeouts,
  retries,
  requestBuffer,
  hostHeader,
}: ForwardingOptions) {
  return {
    isFailure: statusesOf(failureStatus),
    isRetried: statusesOf(retryStatus),
    timeouts,
    retries,
    requestBuffer,
    hostHeader,
  }
}

function connectionOptionsOf({ keepAlive, maxConnectionAge, maxResponseHeaders }: ForwardingOptions) {
  return { keepAlive, maxConnectionAge, maxResponseHeaders }
}
