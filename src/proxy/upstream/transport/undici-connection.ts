// Over 200 lines: half of them work around errors and resets that undici does not report.
import type { Socket } from 'node:net'
import { Client, type Dispatcher, errors } from 'undici'
import type { Backend } from '../../../balancer/backends/backend.js'
import type { Headers } from '../../http/fields.js'
import type { HostLookup } from '../dns/host-lookup.js'
import type { Address } from './address.js'
import { nameParserError } from './parser-error.js'
import { isSilent, type Transport, type TransportListener, type UpstreamRequest } from './transport.js'
import { type Connect, UndiciConnector } from './undici-connector.js'

export interface UndiciConnectionOptions {
  /** Largest head of a response, in bytes. */
  maxHeaderSize: number
  /** Undefined where the backend's host is an address. */
  lookup: HostLookup | undefined
  address: Address
}

/**
 * One connection of undici's, kept alive between requests. It takes a GET without a body that asks for nothing unusual, as
 * most requests are, for three quarters of the CPU time that Node's client takes. It is the handler of its own
 * requests, so that none is made for each.
 */
export class UndiciConnection implements Transport, Dispatcher.DispatchHandler {
  /** @internal The idle connection before this one, in the list that {@link Connections} keeps of them. */
  previous: UndiciConnection | undefined
  /** @internal The one after it. */
  next: UndiciConnection | undefined
  /** @internal Whether it is in that list, and so has no request. */
  idle = false
  /** Undici sends no body here which a backend could refuse to take. */
  readonly blocked = false
  readonly #client: Client
  /** Told to undici with each request, for the reason in `send`. */
  readonly #servername: string
  readonly #onDone: (connection: UndiciConnection) => void
  readonly #connector: UndiciConnector
  #socket: Socket | undefined
  #connected = false
  #requests = 0
  /** The last error of the connection was a reset. */
  #isReset = false
  /** The first error of the connection. Errors that undici reports later may be only a consequence. */
  #firstError: Error | undefined

  // The current request. None of it is kept beyond that, as a connection outlives its requests by far.
  #listener: TransportListener | undefined
  #controller: Dispatcher.DispatchController | undefined
  #isLengthKnown = true
  #isBodyless = false

  /**
   * @param onDone called whenever a request is over
   * @param onLost called when the connection was closed
   */
  constructor(
    backend: Backend,
    { maxHeaderSize, lookup, address }: UndiciConnectionOptions,
    connect: Connect,
    onDone: (connection: UndiciConnection) => void,
    onLost: (connection: UndiciConnection) => void,
  ) {
    this.#onDone = onDone
    this.#servername = backend.host
    this.#connector = new UndiciConnector({
      address,
      lookup,
      connect,
      onLookedUp: () => this.#listener?.onLookedUp(),
      onSocket: (socket) => this.#watch(socket),
    })
    this.#client = new Client(backend.url, {
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize,
      connect: (target, callback) => this.#connector.connect(target, callback),
    })
    this.#client.on('connect', () => {
      this.#connected = true
      this.#isReset = false
      // The request that has waited for the connection.
      this.#requests = 1
    })
    this.#client.on('disconnect', () => {
      this.#connected = false
      onLost(this)
    })
  }

  /** Whether another request may be sent on this connection. */
  get usable(): boolean {
    return this.#connected && !this.#client.destroyed
  }

  get reused(): boolean {
    return this.#requests > 1
  }

  get silent(): boolean {
    return isSilent(this.#socket)
  }

  get lookingUp(): boolean {
    return this.#connector.isLookingUp
  }

  send({ path, method, fields }: UpstreamRequest, listener: TransportListener): void {
    this.#requests++
    this.#listener = listener
    this.#isLengthKnown = true
    this.#isBodyless = false
    this.#client.dispatch(
      {
        path,
        method: method as Dispatcher.HttpMethod,
        headers: fields,
        // By default undici takes the Host field, which is the client's, and would drop a TLS connection whenever the
        // next request on it names another.
        servername: this.#servername,
      } as Dispatcher.DispatchOptions,
      this,
    )
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }

  done(): void {
    this.#forgetRequest()
    this.#onDone(this)
  }

  abort(reason: Error): void {
    this.#forgetRequest()
    this.#destroy(reason)
  }

  /** Drops the connection; a request on it fails. */
  close(): void {
    this.#destroy(new Error('the connection is not needed any more'))
  }

  // Called by undici.

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.#listener?.onStarted()
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: Headers,
    statusMessage = '',
  ): void {
    this.#isLengthKnown = 'content-length' in headers || 'transfer-encoding' in headers
    // Its Content-Length may be that of a body which it does not have (RFC 9110 section 8.6).
    this.#isBodyless = statusCode === 204 || statusCode === 304
    this.#listener?.onResponseHead(statusCode, headers, statusMessage)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#listener?.onResponseData(chunk)
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: Headers): void {
    // Undici treats a reset as the end of a body whose length is not known.
    if (this.#isReset && !this.#isLengthKnown) {
      const reset = Object.assign(new Error('the connection was reset in mid-body'), { code: 'ECONNRESET' })
      this.#listener?.onFailed(reset)
    } else {
      this.#listener?.onResponseEnd(trailers)
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    // Undici has waited for a body that the response does not have.
    if (this.#isBodyless && error instanceof errors.ResponseContentLengthMismatchError) {
      this.#listener?.onResponseEnd({})
    } else {
      this.#listener?.onFailed(this.#firstError ?? error)
    }
  }

  /** Notes the errors of a socket, which undici tells only in part: not a reset at the end, nor an alert of TLS before it. */
  #watch(socket: Socket): void {
    this.#socket = socket
    this.#firstError = undefined
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#isReset = error.code === 'ECONNRESET'
      nameParserError(error, socket)
      this.#firstError ??= error
    })
  }

  #destroy(reason: Error): void {
    this.#client.destroy(reason).catch(() => {})
    this.#connector.giveUp(reason)
    // Undici does not touch a connection that is still being made.
    if (!this.#connected) this.#socket?.destroy()
    this.#onDone(this)
  }

  #forgetRequest(): void {
    this.#listener = undefined
    this.#controller = undefined
  }
}
