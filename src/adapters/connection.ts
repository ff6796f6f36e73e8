import type { Socket } from 'node:net'
import { buildConnector, Client, type Dispatcher } from 'undici'
import type { Backend } from '../balancer/backend.js'
import type { Link } from '../balancer/chain.js'
import { nameParserError } from './parser-error.js'

/** A way to a backend for one request at a time. */
export interface Transport {
  /** Stops the request and drops the connection. */
  abort(reason: Error): void
  /** The request is over, as far as the backend is concerned; the connection may serve another. */
  done(): void
  /** The connection has served a request before, and the backend may have closed it in the meantime. */
  readonly reused: boolean
  /** The backend does not take what we want to send it. */
  readonly blocked: boolean
  /** The end of the answer, being made known now, is a reset, which whoever makes it known does not say. */
  readonly broken?: boolean
  /** What the connection failed with first, where what is made known is only a consequence. */
  readonly failure?: Error | undefined
}

// It returns the socket at once, which its type does not say. Timeouts are the attempt's.
const connect = buildConnector({ timeout: 0 }) as (
  ...parameters: Parameters<buildConnector.connector>
) => Socket

/**
 * One connection of undici's, kept alive between requests. It takes GETs without a body that ask for
 * nothing out of the ordinary, which is most requests, for three quarters of the CPU time that Node's client takes.
 */
export class Connection implements Transport, Link<Connection> {
  /** @internal links of {@link Connections} */
  previous: Connection | undefined
  /** @internal */
  next: Connection | undefined
  /** @internal set by {@link Connections} */
  idle = false
  broken = false
  failure: Error | undefined
  readonly blocked = false
  readonly #client: Client
  readonly #onDone: (connection: Connection) => void
  #socket: Socket | undefined
  #connected = false
  #requests = 0

  /**
   * @param maxHeaderSize bytes of the head of an answer
   * @param onDone called whenever a request is over
   * @param onLost called when it was closed between requests
   */
  constructor(
    backend: Backend,
    maxHeaderSize: number,
    onDone: (connection: Connection) => void,
    onLost: (connection: Connection) => void,
  ) {
    this.#onDone = onDone
    this.#client = new Client(backend.url, {
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize,
      connect: (target, callback) => {
        // Without a server name the connector takes the backend's, which is what its certificate is for.
        const socket = connect({ ...target, servername: '' }, callback)
        this.#socket = socket
        this.failure = undefined
        // undici takes a reset for the end of a body whose length is not known, while this very event is
        // being emitted, and tells nobody.
        socket.on('error', (error: NodeJS.ErrnoException) => {
          this.broken = error.code === 'ECONNRESET'
          nameParserError(error, socket)
          // An alert of TLS is followed by the end, which is all that undici tells of.
          this.failure ??= error
        })
      },
    })
    this.#client.on('connect', () => {
      this.#connected = true
      this.broken = false
      // The one that waited for it.
      this.#requests = 1
    })
    this.#client.on('disconnect', () => {
      this.#connected = false
      onLost(this)
    })
  }

  /** Whether another request may be sent on it. */
  get usable(): boolean {
    return this.#connected && !this.#client.destroyed
  }

  get reused(): boolean {
    return this.#requests > 1
  }

  send(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#requests++
    this.#client.dispatch(options, handler)
  }

  done(): void {
    this.#onDone(this)
  }

  abort(reason: Error): void {
    this.#client.destroy(reason).catch(() => {})
    // undici leaves a connection alone that is being made.
    if (!this.#connected) this.#socket?.destroy()
    this.#onDone(this)
  }

  close(): void {
    this.abort(new Error('the connection is not needed any more'))
  }
}
