// Over 200 lines: half of these lines work around errors and resets that undici does not report.
import type { Socket } from 'node:net'
import { Client, type Dispatcher, errors } from 'undici'
import type { Backend } from '../../../balancer/backends/backend.js'
import { isUnixUrl } from '../../../balancer/backends/unix-url.js'
import type { Headers } from '../../http/fields.js'
import type { HostLookup } from '../dns/host-lookup.js'
import { nameParserError } from './parser-error.js'
import { isSilent, type Transport, type TransportListener, type UpstreamRequest } from './transport.js'
import { type Connect, UndiciConnector } from './undici-connector.js'

export interface UndiciConnectionOptions {
  /** Largest size of a response's head in bytes. */
  maxHeaderSize: number
  /** Looks up the backend's name; undefined if the backend's host is an IP address. */
  lookup: HostLookup | undefined
  /** Milliseconds for which the connection is kept without a request; 0 if it serves one request only. */
  keepAlive: number
}

/**
 * One connection of undici's client, kept alive between requests. It sends GET requests without a body and without
 * anything unusual, as most requests are, and takes three quarters of the CPU time that Node's client takes. The
 * connection is itself the handler of its requests, so that no handler object is made for each request.
 */
export class UndiciConnection implements Transport, Dispatcher.DispatchHandler {
  /** @internal The previous connection in the list of idle connections that {@link Connections} keeps. */
  previous: UndiciConnection | undefined
  /** @internal The next connection in the list of idle connections. */
  next: UndiciConnection | undefined
  /** @internal True if this connection is in the list of idle connections, and so has no request. */
  idle = false
  /** Undici sends no request with a body here, so there is never a body that the backend does not take. */
  readonly blocked = false
  readonly #client: Client
  /** The name for TLS that undici is given with each request; a comment in `send` says why. */
  readonly #servername: string
  readonly #onDone: (connection: UndiciConnection) => void
  readonly #connector: UndiciConnector
  #socket: Socket | undefined
  #connected = false
  #requests = 0
  /** True if the last error of the connection was a reset. */
  #isReset = false
  /** The first error of the connection. Errors that undici reports later may be only a consequence of it. */
  #firstError: Error | undefined

  // The following fields belong to the current request. They keep nothing of a request that is over, because a
  // connection lives much longer than its requests.
  #listener: TransportListener | undefined
  #controller: Dispatcher.DispatchController | undefined
  #isLengthKnown = true
  #isBodyless = false

  /**
   * Makes a connection, which is opened with its first request.
   * @param onDone called whenever a request is over
   * @param onLost called when the connection was closed
   */
  constructor(
    backend: Backend,
    { maxHeaderSize, lookup, keepAlive }: UndiciConnectionOptions,
    connect: Connect,
    onDone: (connection: UndiciConnection) => void,
    onLost: (connection: UndiciConnection) => void,
  ) {
    this.#onDone = onDone
    this.#servername = backend.host
    this.#connector = new UndiciConnector({
      lookup,
      connect,
      onLookedUp: () => this.#listener?.onLookedUp(),
      onSocket: (socket) => this.#watch(socket),
    })
    this.#client = new Client(isUnixUrl(backend.url) ? `http://${backend.host}` : backend.url, {
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize,
      // A backend may announce a shorter time, and no longer one.
      keepAliveTimeout: Math.max(keepAlive, 1),
      keepAliveMaxTimeout: Math.max(keepAlive, 1),
      connect: (target, callback) => this.#connector.connect(target, callback),
    })
    this.#client.on('connect', () => {
      this.#connected = true
      this.#isReset = false
      // This counts the request that has waited for the connection.
      this.#requests = 1
    })
    this.#client.on('disconnect', () => {
      this.#connected = false
      onLost(this)
    })
  }

  /** True if another request may be sent on this connection. */
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
        // By default undici uses the Host field as the name for TLS. That field is the client's, and undici would drop
        // a TLS connection whenever the next request on it names another Host.
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

  /** Closes the connection now. A request on it fails. */
  close(): void {
    this.#destroy(new Error('the connection is not needed any more'))
  }

  // Undici calls the following methods.

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
    // The Content-Length of such a response may be that of a body which the response does not have (RFC 9110 section
    // 8.6).
    this.#isBodyless = statusCode === 204 || statusCode === 304
    this.#listener?.onResponseHead(statusCode, headers, statusMessage)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#listener?.onResponseData(chunk)
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: Headers): void {
    // Undici treats a reset of the connection as the end of a body whose length is not known.
    if (this.#isReset && !this.#isLengthKnown) {
      const reset = Object.assign(new Error('the connection was reset in mid-body'), { code: 'ECONNRESET' })
      this.#listener?.onFailed(reset)
    } else {
      this.#listener?.onResponseEnd(trailers)
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    // Undici has waited for a body that this response does not have, so the response is complete.
    if (this.#isBodyless && error instanceof errors.ResponseContentLengthMismatchError) {
      this.#listener?.onResponseEnd({})
    } else {
      this.#listener?.onFailed(this.#firstError ?? error)
    }
  }

  /**
   * Notes the errors of a socket, because undici does not report all of them: not a reset at the end of a response, and
   * not a TLS alert before that reset.
   */
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
    // Undici does not close a connection that is still being made, so its socket is closed here.
    if (!this.#connected) this.#socket?.destroy()
    this.#onDone(this)
  }

  #forgetRequest(): void {
    this.#listener = undefined
    this.#controller = undefined
  }
}
