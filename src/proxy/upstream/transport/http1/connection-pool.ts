import { LinkedList } from '../../../../balancer/structures/linked-list.js'
import type { Clock } from '../../../../balancer/time/clock.js'
import { Connection, type ConnectionOwner } from './connection.js'
import type { Connector } from './connector.js'

/** Options of the connections to the backends of one pool. Times are milliseconds. */
export interface ConnectionOptions {
  /** How long a connection without a request is kept; 0 if each connection serves one request only. */
  keepAlive: number
  /** How long after its opening a connection takes further requests; 0 for any time. */
  maxConnectionAge: number
  /** Largest size of a response's head in bytes, and of its trailers. */
  maxResponseHeaders: number
  clock: Clock
}

/**
 * Largest number of milliseconds by which a connection is given up before the time that the backend has named. A
 * request that is on its way when the backend closes the connection would be lost.
 */
const MAX_EARLY_MS = 1000

/** The connections to one backend. Idle connections are kept, and the one that was used last is used first. */
export class ConnectionPool implements ConnectionOwner {
  readonly connector: Connector
  readonly #options: ConnectionOptions
  readonly #all = new Set<Connection>()
  /** Connections that have no request. The last one in the list is the one that was used last. */
  readonly #idle = new LinkedList<Connection>()
  #cancelSweep: (() => void) | undefined
  #sweepsAt = 0
  #isClosed = false

  constructor(connector: Connector, options: ConnectionOptions) {
    this.connector = connector
    this.#options = options
  }

  get maxHeadBytes(): number {
    return this.#options.maxResponseHeaders
  }

  get isSingleUse(): boolean {
    return this.#isClosed || this.#options.keepAlive === 0
  }

  /** Returns a connection that has no request, and that the backend is not about to close: a kept one, or a new one. */
  take(): Connection {
    const now = this.#options.clock.now()
    for (let kept = this.#idle.last; kept; ) {
      const { previous }: Connection = kept
      if (now >= kept.keptUntil) {
        kept.destroy()
      } else if (!kept.blocked) {
        this.#leaveIdle(kept)
        return kept
      }
      // A backend that has responded early may never read the rest of that request, nor the next request behind it.
      kept = previous
    }
    return this.takeNew()
  }

  /** Returns a connection that is not open yet, so that the backend cannot have closed it. */
  takeNew(): Connection {
    const connection = new Connection(this)
    this.#all.add(connection)
    return connection
  }

  /** Closes each connection as soon as it has no request. */
  close(): void {
    this.#isClosed = true
    this.#cancelSweep?.()
    this.#cancelSweep = undefined
    for (let idle = this.#idle.first; idle; idle = this.#idle.first) idle.destroy()
  }

  /** Closes every connection now. The requests on them fail. */
  destroy(): void {
    this.close()
    for (const connection of this.#all) connection.destroy()
  }

  // Connections call the following methods.

  onOpened(connection: Connection): void {
    const { maxConnectionAge, clock } = this.#options
    if (maxConnectionAge > 0) connection.agedAt = clock.now() + maxConnectionAge
  }

  onReleased(connection: Connection, timeout: number | undefined): void {
    const { keepAlive, clock } = this.#options
    const now = clock.now()
    const keptUntil = Math.min(now + keptFor(keepAlive, timeout), connection.agedAt)
    if (this.#isClosed || keptUntil <= now) {
      connection.destroy()
      return
    }
    connection.keptUntil = keptUntil
    connection.isIdle = true
    this.#idle.append(connection)
    if (!this.#cancelSweep || keptUntil < this.#sweepsAt) this.#sweepAt(keptUntil, now)
  }

  onLost(connection: Connection): void {
    if (connection.isIdle) this.#leaveIdle(connection)
    this.#all.delete(connection)
  }

  #leaveIdle(connection: Connection): void {
    connection.isIdle = false
    this.#idle.remove(connection)
  }

  #sweepAt(time: number, now: number): void {
    this.#cancelSweep?.()
    this.#sweepsAt = time
    this.#cancelSweep = this.#options.clock.after(Math.ceil(time - now), () => this.#sweep())
  }

  /** Closes the connections that were idle for too long. One timer serves all connections. */
  #sweep(): void {
    this.#cancelSweep = undefined
    const now = this.#options.clock.now()
    let next = Number.POSITIVE_INFINITY
    for (let idle = this.#idle.first; idle; ) {
      const following: Connection | undefined = idle.next
      if (idle.keptUntil <= now) idle.destroy()
      else next = Math.min(next, idle.keptUntil)
      idle = following
    }
    if (next !== Number.POSITIVE_INFINITY) this.#sweepAt(next, now)
  }
}

/**
 * Returns how many milliseconds a connection is kept.
 * @param keepAlive the pool's own limit in milliseconds
 * @param announced seconds after which the backend closes the connection, by its Keep-Alive field
 */
function keptFor(keepAlive: number, announced: number | undefined): number {
  if (announced === undefined) return keepAlive
  const announcedMs = announced * 1000
  return Math.min(keepAlive, announcedMs - Math.min(MAX_EARLY_MS, announcedMs / 2))
}
