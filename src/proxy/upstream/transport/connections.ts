import type { Agent } from 'node:http'
import type { Backend } from '../../../balancer/backends/backend.js'
import { LinkedList } from '../../../balancer/structures/linked-list.js'
import { type HostLookup, hostLookup } from '../dns/host-lookup.js'
import type { NameLookup } from '../dns/name-lookup.js'
import { defaultTlsOptionsOf, type TlsOptions, type TlsOptionsOf } from '../tls/upstream-tls.js'
import { type Address, addressOf } from './address.js'
import { keepAliveAgent } from './node-agent.js'
import { UndiciConnection } from './undici-connection.js'
import { type Connect, connectFor } from './undici-connector.js'

/** The connections to one backend, both those of undici's client and those of Node's client. */
export class Connections {
  readonly #backend: Backend
  readonly address: Address
  /** Looks up the backend's name; undefined if the backend's host is an IP address. */
  readonly lookup: HostLookup | undefined
  /** Largest size of a response's head in bytes. */
  readonly maxHeaderSize: number
  /** Milliseconds for which a connection without a request is kept; 0 if each request gets a new connection. */
  readonly keepAlive: number
  /** Node's agent, which keeps the connections of Node's client. */
  readonly agent: Agent
  #connect: Connect
  /** The options for TLS that `#connect` was made for. */
  #connectOptions: TlsOptions | undefined
  /** All connections of undici's client. */
  readonly #all = new Set<UndiciConnection>()
  /**
   * Connections of undici's client that have no request. The last connection in the list is the one that was used last.
   */
  readonly #idle = new LinkedList<UndiciConnection>()
  #closed = false

  readonly #tlsOptionsOf: TlsOptionsOf

  constructor(
    backend: Backend,
    maxHeaderSize: number,
    keepAlive: number,
    names: NameLookup,
    tlsOptionsOf: TlsOptionsOf = defaultTlsOptionsOf,
  ) {
    this.#backend = backend
    this.#tlsOptionsOf = tlsOptionsOf
    this.maxHeaderSize = maxHeaderSize
    this.keepAlive = keepAlive
    this.address = addressOf(backend)
    this.lookup = hostLookup(names, this.address.host)
    this.#connectOptions = this.tlsOptions
    this.#connect = connectFor(this.address, this.lookup, this.#connectOptions)
    this.agent = keepAliveAgent(this.address.secure, keepAlive)
  }

  /** The options for a new connection to the backend by TLS; undefined if the backend has no TLS. */
  get tlsOptions(): TlsOptions | undefined {
    return this.#tlsOptionsOf(this.#backend)
  }

  /** Returns a connection of undici's client that has no request: a kept one, or otherwise a new one. */
  take(): UndiciConnection {
    const kept = this.#idle.last
    if (kept) {
      this.#leaveIdle(kept)
      return kept
    }
    const connection = new UndiciConnection(
      this.#backend,
      this,
      (target, callback) => this.#connector()(target, callback),
      (done) => this.#onDone(done),
      (lost) => this.#onLost(lost),
    )
    this.#all.add(connection)
    return connection
  }

  /** Closes each connection as soon as it has no request. */
  close(): void {
    this.#closed = true
    for (let idle = this.#idle.first; idle; idle = this.#idle.first) this.#drop(idle)
    this.agent.maxFreeSockets = 0
    for (const sockets of Object.values(this.agent.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy()
    }
  }

  /** Closes every connection now. The requests on them fail. */
  destroy(): void {
    this.#closed = true
    for (const connection of this.#all) this.#drop(connection)
    this.agent.destroy()
  }

  /** Returns the function that makes a connection with the present options for TLS. */
  #connector(): Connect {
    const options = this.tlsOptions
    if (options !== this.#connectOptions) {
      this.#connectOptions = options
      this.#connect = connectFor(this.address, this.lookup, options)
    }
    return this.#connect
  }

  #onDone(connection: UndiciConnection): void {
    if (!this.#all.has(connection) || connection.idle) return
    if (this.#closed || this.keepAlive === 0 || !connection.usable) {
      this.#drop(connection)
    } else {
      connection.idle = true
      this.#idle.append(connection)
    }
  }

  #onLost(connection: UndiciConnection): void {
    // On a connection with a request, the request fails, or undici connects again for it.
    if (connection.idle) this.#drop(connection)
  }

  #leaveIdle(connection: UndiciConnection): void {
    connection.idle = false
    this.#idle.remove(connection)
  }

  #drop(connection: UndiciConnection): void {
    if (!this.#all.delete(connection)) return
    if (connection.idle) this.#leaveIdle(connection)
    connection.close()
  }
}
