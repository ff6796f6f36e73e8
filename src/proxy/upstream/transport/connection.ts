import type { Socket } from 'node:net'
import { buildConnector, Client, type Dispatcher } from 'undici'
import type { Backend } from '../../../balancer/backends/backend.js'
import type { HostLookup } from '../dns/host-lookup.js'
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
  /** Whether the backend's name is being looked up, which takes none of the backend's time. */
  readonly lookingUp: boolean
  /** The end of the answer, being made known now, is a reset, which whoever makes it known does not say. */
  readonly broken?: boolean
  /** Whether the backend, which was asked without TLS, has sent nothing at all on this connection. */
  readonly silent: boolean
  /** The first error of the connection, where the one that undici tells is only a consequence of it. */
  readonly failure?: Error | undefined
}

/** Whether nothing at all has come on a connection without TLS. */
export function isSilent(socket: Socket | undefined): boolean {
  return socket?.bytesRead === 0 && !('encrypted' in socket)
}

/** It returns the socket at once, which undici's type does not say. */
export type Connect = (...parameters: Parameters<buildConnector.connector>) => Socket

/** Timeouts are the attempt's. */
const connectToAddress = buildConnector({ timeout: 0 }) as Connect

/** How connections to a backend are made. */
export function connectorFor(lookup: HostLookup | undefined): Connect {
  return lookup ? (buildConnector({ timeout: 0, lookup: lookup.lookup }) as Connect) : connectToAddress
}

/** What undici calls, and more. */
export interface ConnectionHandler extends Dispatcher.DispatchHandler {
  /** The backend's name was waited for, and the connection begins now. */
  onLookedUp(): void
}

/**
 * One connection of undici's, kept alive between requests. It takes GETs without a body that ask for
 * nothing out of the ordinary, which is most requests, for three quarters of the CPU time that Node's client takes.
 */
export class Connection implements Transport {
  /** @internal links of {@link Connections}; the published type has none, and so does not implement `ListNode` */
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
  /** Set while the backend's name is looked up: gives that up. */
  #leaveLookup: (() => void) | undefined
  #handler: ConnectionHandler | undefined
  #socket: Socket | undefined
  #connected = false
  #requests = 0

  /**
   * @param maxHeaderSize bytes of the head of an answer
   * @param connect makes it
   * @param lookup waits for the addresses of the backend's name, where it has one
   * @param onDone called whenever a request is over
   * @param onLost called when it was closed between requests
   */
  constructor(
    backend: Backend,
    maxHeaderSize: number,
    connect: Connect,
    lookup: HostLookup | undefined,
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
        this.#whenResolved(lookup, callback, () => {
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

  get silent(): boolean {
    return isSilent(this.#socket)
  }

  get lookingUp(): boolean {
    return this.#leaveLookup !== undefined
  }

  send(options: Dispatcher.DispatchOptions, handler: ConnectionHandler): void {
    this.#requests++
    this.#handler = handler
    this.#client.dispatch(options, handler)
  }

  done(): void {
    // A connection outlives its requests by far, and must not keep the last one.
    this.#handler = undefined
    this.#onDone(this)
  }

  abort(reason: Error): void {
    this.#client.destroy(reason).catch(() => {})
    this.#leaveLookup?.()
    // undici leaves a connection alone that is being made.
    if (!this.#connected) this.#socket?.destroy()
    this.#onDone(this)
  }

  #whenResolved(lookup: HostLookup | undefined, callback: Parameters<Connect>[1], connect: () => void): void {
    if (!lookup) {
      connect()
      return
    }
    const leave = lookup.wait((error) => {
      const waited = this.#leaveLookup !== undefined
      this.#leaveLookup = undefined
      if (error) {
        callback(error, null)
        return
      }
      if (waited) this.#handler?.onLookedUp()
      connect()
    })
    if (!leave) return
    this.#leaveLookup = () => {
      this.#leaveLookup = undefined
      leave()
      callback(new Error('the connection is not needed any more'), null)
    }
  }

  close(): void {
    this.abort(new Error('the connection is not needed any more'))
  }
}
