import { createServer, type Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ConnectionError } from 'fastify'
import type { Settings } from '../../config/settings.js'
import {
  rejectConnect,
  rejectExpectation,
  rejectMalformed,
} from '../../proxy/downstream/connection/early-rejection.js'
import { forwardExpectations } from '../../proxy/downstream/connection/expect.js'
import { closeIdle, watchConnections } from '../../proxy/downstream/connection/idle-connections.js'
import { openConnections } from '../../proxy/downstream/connection/open-connections.js'
import { type Address, listenOn, originOf } from '../listeners.js'
import { stopAccepting } from './stop-accepting.js'
import type { TrafficApp } from './traffic-app.js'

/** A server that listens. */
interface Listener {
  readonly address: Address
  readonly server: Server
  /** The port that it listens on. */
  readonly port: number
  readonly connections: ReadonlySet<Socket>
}

export interface ListenerEvents {
  /** Called with the URL of each listener that was opened. */
  onOpened(origin: string): void
  /** Called with errors of listeners, such as a connection that cannot be accepted. */
  onError(error: Error): void
}

type Upgradable = Server & { shouldUpgradeCallback?: (request: unknown) => boolean }

/**
 * The servers that listen for traffic. They pass each request to the app of the present configuration, so that another
 * configuration comes into force without closing a listener or a connection.
 */
export class TrafficListeners {
  readonly #settings: Settings
  readonly #events: ListenerEvents
  #app: TrafficApp
  #listeners: readonly Listener[] = []
  /** Servers that end, or have ended, to listen and have connections, and when the address of each is free. */
  readonly #leaving = new Map<Listener, Promise<unknown>>()

  constructor(settings: Settings, app: TrafficApp, events: ListenerEvents) {
    this.#settings = settings
    this.#app = app
    this.#events = events
  }

  /** The ports, in the order of the addresses. */
  get ports(): readonly number[] {
    return this.#listeners.map(({ port }) => port)
  }

  /** The URLs where traffic enters. */
  get origins(): readonly string[] {
    return this.#listeners.map(({ address, port }) => originOf(address.host, port))
  }

  /** The open connections of all servers. */
  *connections(): Generator<Socket> {
    for (const { connections } of this.#all()) yield* connections
  }

  /** Passes requests to another app from now on. */
  use(app: TrafficApp): void {
    this.#app = app
  }

  /**
   * Opens a listener for each address that has none yet, and prepares to close those that have no address any more.
   * @param reusePort true if other threads listen on the same ports
   * @returns a function that closes the old listeners, and one that closes the new ones instead
   * @throws {ListenError} if one cannot be opened; then nothing has changed
   */
  async prepare(
    addresses: readonly Address[],
    reusePort = false,
  ): Promise<{ ports: readonly number[]; commit(): void; rollback(): Promise<void> }> {
    const left = [...this.#listeners]
    const opened: Listener[] = []
    const next: Listener[] = []
    const rollback = async () => {
      await Promise.all(opened.map((listener) => this.#leave(listener)))
    }
    try {
      for (const address of addresses) {
        // Several may ask for any free port of a host.
        const known = left.findIndex((listener) => keyOf(listener.address) === keyOf(address))
        const [listener = await this.#open(address, reusePort)] = known < 0 ? [] : left.splice(known, 1)
        if (known < 0) opened.push(listener)
        next.push(listener)
      }
    } catch (error) {
      await rollback()
      throw error
    }
    return {
      ports: next.map(({ port }) => port),
      rollback,
      commit: () => {
        this.#listeners = next
        for (const listener of left) this.#leave(listener)
      },
    }
  }

  /** Resolves once the addresses of listeners that were closed are free. */
  async left(): Promise<void> {
    await Promise.all(this.#leaving.values())
  }

  /** Accepts no new connection. It resolves once every connection is closed. */
  async stop(): Promise<void> {
    await Promise.all(
      Array.from(this.#all(), async ({ server }) => (await stopAccepting(server)).connectionsClosed),
    )
  }

  /** Closes the connections that are idle. */
  closeIdle(): void {
    for (const { server } of this.#all()) closeIdle(server)
  }

  #all(): Listener[] {
    return [...this.#listeners, ...this.#leaving.keys()]
  }

  /**
   * Has a server accept no new connection, and forgets it once its connections are closed.
   * @returns a promise that resolves once its address is free
   */
  async #leave(listener: Listener): Promise<void> {
    const stopped = stopAccepting(listener.server)
    this.#leaving.set(listener, stopped)
    const { connectionsClosed } = await stopped
    connectionsClosed.then(() => this.#leaving.delete(listener))
  }

  async #open(address: Address, reusePort: boolean): Promise<Listener> {
    for (const [{ port }, stopped] of this.#leaving) if (port === address.port) await stopped
    const server = this.#server()
    const connections = openConnections(server)
    const port = await listenOn(server, address, reusePort)
    // Without a free file descriptor a connection cannot be accepted, and the error must not end the process.
    server.on('error', (error) => this.#events.onError(error))
    this.#events.onOpened(originOf(address.host, port))
    return { address, server, port, connections }
  }

  #server(): Server {
    const { headersTimeout, keepAliveTimeout } = this.#settings
    const server: Upgradable = createServer({
      keepAliveTimeout,
      // Uploads may take any time. (Node's default would end them after 300 seconds.)
      requestTimeout: 0,
      // The proxy itself refuses a missing Host, together with all other faults of a request and in the same shape.
      requireHostHeader: false,
      headersTimeout,
      connectionsCheckingInterval: Math.min(1000, Math.ceil(headersTimeout / 4)),
    })
    // Some versions of Node refuse fields beyond their own maximum, others drop them silently, so the proxy counts them
    // itself.
    server.maxHeadersCount = 0
    watchConnections(server)
    server.on('request', (request, response) => this.#app.server.emit('request', request, response))
    server.on('upgrade', (request, socket, head) => this.#app.server.emit('upgrade', request, socket, head))
    if (server.shouldUpgradeCallback) {
      server.shouldUpgradeCallback = (request) =>
        (this.#app.server as Upgradable).shouldUpgradeCallback?.(request) ?? true
    }
    forwardExpectations(server)
    server.on('clientError', (error: ConnectionError, socket: Duplex) =>
      rejectMalformed(error, socket as Socket, this.#app.rejected),
    )
    server.on('connect', (request, socket) => rejectConnect(request, socket, this.#app.rejected))
    server.on('checkExpectation', (request, response) =>
      rejectExpectation(request, response, this.#app.rejected),
    )
    return server
  }
}

function keyOf({ host, port }: Address): string {
  return `${host} ${port}`
}
