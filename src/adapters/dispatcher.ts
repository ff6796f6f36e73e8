import { Readable } from 'node:stream'
import { buildConnector, type Dispatcher, errors, Pool } from 'undici'
import type { Backend } from '../balancer/backend.js'
import { ClientGoneError } from '../balancer/errors.js'
import type { Lease } from '../balancer/lease.js'
import type { Registry } from '../balancer/registry.js'

/**
 * The header key under which a request's {@link Assignment} travels through reply-from. Being a symbol it is
 * copied with the other headers, and seen by nobody else.
 */
export const ASSIGNMENT = Symbol('leastwise.assignment')

/** What a request was assigned to. */
export interface Assignment {
  lease: Lease
  /** Path and query for the backend, byte for byte; reply-from's own has been through a URL parser. */
  path: string
}

/** Milliseconds; 0 for none. undici's timers are coarse: up to about a second late. */
export interface Timeouts {
  connect: number
  /** To the first byte of the response. */
  response: number
  /** Between two chunks of the response's body. */
  body: number
}

interface Answer {
  statusCode: number
  headers: Record<string, string | string[] | undefined>
  body: Readable
}

type Callback = (error: Error | null, answer?: Answer) => void

type RequestOptions = Omit<Dispatcher.RequestOptions, 'headers'> & {
  headers: Record<string | symbol, unknown> & { [ASSIGNMENT]: Assignment }
}

/**
 * What reply-from sends requests through: one undici `Pool` for each backend. Which backend, the request's
 * lease says; and the lease is held here until the backend is done with the request, because no hook of
 * Fastify fires exactly once for every way in which a request can end.
 */
export class LeaseDispatcher {
  readonly #pools = new Map<Backend, Pool>()
  readonly #timeouts: Timeouts
  readonly #now: () => number

  constructor(registry: Registry, timeouts: Timeouts, now: () => number) {
    this.#timeouts = timeouts
    this.#now = now
    registry.on('removed', (backend) => this.#retire(backend))
  }

  /** Called by reply-from. */
  request(options: RequestOptions, callback: Callback): void {
    const { lease, path } = options.headers[ASSIGNMENT]
    const attempt = new Attempt(lease, this.#now, callback)
    if (!lease.held) {
      // The client left, or the backend was removed, before anything was sent.
      attempt.onResponseError(null, new errors.RequestAbortedError())
      return
    }
    this.#poolOf(lease.backend).dispatch(
      {
        path,
        method: options.method,
        headers: options.headers as Record<string, string>,
        body: options.body ?? null,
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
    await Promise.all(pools.map((pool) => pool.destroy()))
  }

  #poolOf(backend: Backend): Pool {
    let pool = this.#pools.get(backend)
    if (!pool) {
      const connect = buildConnector({ timeout: this.#timeouts.connect })
      pool = new Pool(backend.url, {
        // One request at a time on a connection: what waits behind another is not in the backend's hands.
        pipelining: 1,
        // Without a server name the connector takes the backend's, which is what its certificate is for.
        connect: (target, callback) => connect({ ...target, servername: '' }, callback),
        headersTimeout: this.#timeouts.response,
        bodyTimeout: this.#timeouts.body,
      })
      this.#pools.set(backend, pool)
    }
    return pool
  }

  #retire(backend: Backend): void {
    const pool = this.#pools.get(backend)
    this.#pools.delete(backend)
    // Waits for requests in flight; those of a forced removal are cut by their leases.
    pool?.close().catch(() => {})
  }
}

/** One request on one backend, from the dispatch to the backend's last word. */
class Attempt implements Dispatcher.DispatchHandler {
  readonly #lease: Lease
  readonly #now: () => number
  #callback: Callback | undefined
  #controller: Dispatcher.DispatchController | undefined
  #body: Readable | undefined
  #failedStatus = false
  #cutBy: Error | undefined
  #done = false

  constructor(lease: Lease, now: () => number, callback: Callback) {
    this.#lease = lease
    this.#now = now
    this.#callback = callback
    lease.onCut = (reason) => this.#cut(reason)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#cutBy) controller.abort(this.#cutBy)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // An informational response: the real one is still to come.
    if (statusCode < 200) return
    this.#lease.answered(this.#now())
    this.#failedStatus = isGatewayFailure(statusCode)
    this.#body = new Readable({
      highWaterMark: 64 * 1024,
      read: () => controller.resume(),
      destroy: (error, done) => {
        // Whoever reads the body gave up on it: the backend need not go on.
        this.#cut(error ?? new errors.RequestAbortedError())
        done(error)
      },
    })
    this.#answer(null, { statusCode, headers, body: this.#body })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#body?.push(chunk) === false) controller.pause()
  }

  onResponseEnd(): void {
    this.#finish(this.#failedStatus ? 'failed' : 'ok')
    this.#body?.push(null)
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    const cutBy = this.#cutBy
    // Logs show an error's own properties.
    Object.assign(error, { backend: this.#lease.backend.id })
    this.#finish(cutBy || isClientsDoing(error) ? 'cancelled' : 'failed')
    this.#answer(cutBy ?? error)
    this.#body?.destroy(cutBy ?? error)
  }

  #cut(reason: Error): void {
    if (this.#done || this.#cutBy) return
    this.#cutBy = reason
    // There is nobody to tell; reply-from would log an error and answer a closed socket.
    if (reason instanceof ClientGoneError) this.#callback = undefined
    if (this.#controller) {
      // Ends in onResponseError.
      this.#controller.abort(reason)
    } else {
      // It waits for a connection; the backend has not seen it, and will not.
      this.#finish('cancelled')
      this.#answer(reason)
    }
  }

  #finish(outcome: 'ok' | 'failed' | 'cancelled'): void {
    if (this.#done) return
    this.#done = true
    this.#lease.release(outcome)
  }

  #answer(error: Error | null, answer?: Answer): void {
    const callback = this.#callback
    this.#callback = undefined
    callback?.(error, answer)
  }
}

/** A status that says the backend itself, or what stands behind it, is not well. */
export function isGatewayFailure(statusCode: number): boolean {
  return statusCode === 500 || (statusCode >= 502 && statusCode <= 504)
}

/** Whether a request failed on account of what the client sent, or stopped sending. */
function isClientsDoing(error: Error): boolean {
  return (
    error instanceof errors.InvalidArgumentError ||
    error instanceof errors.NotSupportedError ||
    error instanceof errors.RequestContentLengthMismatchError ||
    (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE' ||
    (error as { statusCode?: number }).statusCode === 413
  )
}
