import { type Dispatcher, errors } from 'undici'
import type { Backend } from '../balancer/backend.js'
import type { Clock } from '../balancer/clock.js'
import type { Registry } from '../balancer/registry.js'
import { type Assignment, Attempt, type Callback } from './attempt.js'
import { type BackendPool, openPool, type Timeouts } from './backend-pool.js'

/**
 * The header key under which a request's {@link Assignment} travels through reply-from. Being a symbol it is
 * copied with the other headers, and seen by nobody else.
 */
export const ASSIGNMENT = Symbol('leastwise.assignment')

type RequestOptions = Omit<Dispatcher.RequestOptions, 'headers'> & {
  headers: Record<string | symbol, unknown> & { [ASSIGNMENT]: Assignment }
}

/**
 * What reply-from sends requests through: one undici `Pool` for each backend. Which backend, the request's
 * lease says; and the lease is held here until the backend is done with the request, because no hook of
 * Fastify fires exactly once for every way in which a request can end.
 */
export class LeaseDispatcher {
  readonly #pools = new Map<Backend, BackendPool>()
  readonly #timeouts: Timeouts
  readonly #clock: Clock

  constructor(registry: Registry, timeouts: Timeouts, clock: Clock) {
    this.#timeouts = timeouts
    this.#clock = clock
    registry.on('removed', (backend) => this.#retire(backend))
  }

  /** Called by reply-from. */
  request(options: RequestOptions, callback: Callback): void {
    const assignment = options.headers[ASSIGNMENT]
    const { lease } = assignment
    if (!lease.held) {
      // The client left, or the backend was removed, before anything was sent.
      callback(new errors.RequestAbortedError())
      return
    }
    const { pool, line } = this.#poolOf(lease.backend)
    const attempt = new Attempt(assignment, line, this.#clock, callback)
    pool.dispatch(
      {
        path: assignment.path,
        method: options.method,
        headers: options.headers as Record<string, string>,
        body: assignment.body ?? options.body ?? null,
        // By default that is the Host field, which is the client's: undici would drop a TLS connection
        // whenever the next request on it names another.
        servername: lease.backend.host,
      } as Dispatcher.DispatchOptions,
      attempt,
    )
  }

  /** Cuts every request and closes every connection. */
  async destroy(): Promise<void> {
    const pools = [...this.#pools.values()]
    this.#pools.clear()
    await Promise.all(
      pools.map(({ pool, line }) => {
        for (const socket of line.connecting) socket.destroy()
        return pool.destroy()
      }),
    )
  }

  #poolOf(backend: Backend): BackendPool {
    let known = this.#pools.get(backend)
    if (!known) {
      known = openPool(backend, this.#timeouts)
      this.#pools.set(backend, known)
    }
    return known
  }

  #retire(backend: Backend): void {
    const known = this.#pools.get(backend)
    this.#pools.delete(backend)
    // Waits for requests in flight; those of a forced removal are cut by their leases.
    known?.pool.close().catch(() => {})
  }
}
