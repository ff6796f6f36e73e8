import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { buildConnector, type Dispatcher, errors, Pool } from 'undici'
import type { Backend } from '../balancer/backend.js'
import { ClientGoneError } from '../balancer/errors.js'
import type { Lease, Outcome } from '../balancer/lease.js'
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
  /** The request's body where reply-from must not see it: it takes none with GET. */
  body?: Readable
  /** Called when the answer's head is ready to be sent, and no byte of its body has come yet. */
  flushHead?: () => void
  /** The fields that the backend's answer put into ours. */
  answered?: Answer['headers']
}

/** What went wrong between us and a backend, in `cause`. */
export class BackendError extends Error {
  readonly backend: string

  constructor(backend: string, cause: Error) {
    super(cause.message, { cause })
    this.backend = backend
  }
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
  readonly #pools = new Map<Backend, BackendPool>()
  readonly #timeouts: Timeouts
  readonly #now: () => number

  constructor(registry: Registry, timeouts: Timeouts, now: () => number) {
    this.#timeouts = timeouts
    this.#now = now
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
    const attempt = new Attempt(assignment, line, this.#now, callback)
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

/** What can be seen of a backend's connections from outside of undici. */
interface Line {
  /** True while a connection reports that it was reset. */
  resetting: boolean
  /** Those that are not made yet. undici leaves them alone when it is destroyed. */
  readonly connecting: Set<Socket>
}

interface BackendPool {
  pool: Pool
  line: Line
}

function openPool(backend: Backend, timeouts: Timeouts): BackendPool {
  const line: Line = { resetting: false, connecting: new Set() }
  // It returns the socket at once, which its type does not say.
  const connect = buildConnector({ timeout: timeouts.connect }) as (
    ...parameters: Parameters<buildConnector.connector>
  ) => Socket
  const pool = new Pool(backend.url, {
    // One request at a time on a connection: what waits behind another is not in the backend's hands.
    pipelining: 1,
    headersTimeout: timeouts.response,
    bodyTimeout: timeouts.body,
    connect(target, callback) {
      // Without a server name the connector takes the backend's, which is what its certificate is for.
      const socket = connect({ ...target, servername: '' }, (...result) => {
        line.connecting.delete(socket)
        // undici takes a reset for the end of a body whose length is not known, while this very event is
        // being emitted, and tells nobody.
        socket.on('error', () => {
          line.resetting = true
          process.nextTick(() => {
            line.resetting = false
          })
        })
        callback(...result)
      })
      line.connecting.add(socket)
    },
  })
  return { pool, line }
}

/** One request on one backend, from the dispatch to the backend's last word. */
class Attempt implements Dispatcher.DispatchHandler {
  readonly #assignment: Assignment
  readonly #lease: Lease
  readonly #line: Line
  readonly #now: () => number
  #callback: Callback | undefined
  #controller: Dispatcher.DispatchController | undefined
  #body: Readable | undefined
  #outcome: Outcome = 'ok'
  #bodyless = false
  #lengthKnown = true
  #cutBy: Error | undefined
  #done = false

  constructor(assignment: Assignment, line: Line, now: () => number, callback: Callback) {
    this.#assignment = assignment
    this.#lease = assignment.lease
    this.#line = line
    this.#now = now
    this.#callback = callback
    this.#lease.onCut = (reason) => this.#cut(reason)
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
    if (isGatewayFailure(statusCode)) this.#outcome = 'failed'
    this.#lengthKnown = 'content-length' in headers || 'transfer-encoding' in headers
    // Such an answer may name the length of a body that it does not have (RFC 9110 section 8.6).
    this.#bodyless = statusCode === 204 || statusCode === 304
    this.#assignment.answered = headers
    this.#body = new Readable({
      highWaterMark: 64 * 1024,
      read: () => {
        if (this.#body?.readableLength === 0 && !this.#done) this.#assignment.flushHead?.()
        controller.resume()
      },
      destroy: (error, done) => {
        // Whoever reads the body gave up on it: the backend need not go on.
        this.#cut(error ?? new errors.RequestAbortedError())
        done(error)
      },
    })
    // It may be that nobody reads the body, or nobody yet, when it breaks.
    this.#body.on('error', () => {})
    if (this.#bodyless) this.#body.push(null)
    this.#answer(null, { statusCode, headers, body: this.#body })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#body?.push(chunk) === false) controller.pause()
  }

  onResponseEnd(): void {
    if (this.#line.resetting && !this.#lengthKnown) {
      const reset: NodeJS.ErrnoException = new Error('the connection was reset in mid-body')
      reset.code = 'ECONNRESET'
      this.onResponseError(null, reset)
      return
    }
    this.#finish(this.#outcome)
    if (!this.#bodyless) this.#body?.push(null)
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#bodyless && error instanceof errors.ResponseContentLengthMismatchError) {
      this.#finish(this.#outcome)
      return
    }
    const cutBy = this.#cutBy
    const reported = cutBy ?? new BackendError(this.#lease.backend.id, error)
    this.#finish(cutBy || isClientsDoing(error) ? 'cancelled' : 'failed')
    this.#answer(reported)
    this.#body?.destroy(reported)
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

  #finish(outcome: Outcome): void {
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
