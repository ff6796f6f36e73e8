import { Agent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import { isIP } from 'node:net'
import type { Backend } from '../../../balancer/backends/backend.js'
import { LinkedList } from '../../../balancer/structures/linked-list.js'
import { type HostLookup, hostLookup } from '../dns/host-lookup.js'
import type { NameLookup } from '../dns/name-lookup.js'
import { type Connect, Connection, connectorFor } from './connection.js'

/** Milliseconds that a connection without a request is kept. Node servers close theirs after five seconds. */
const KEEP_ALIVE = 4000

/** Where a backend is, as Node's clients want it said. */
export interface Address {
  host: string
  port: number
  /** The name that its certificate is for, whatever the Host field of a request says. */
  servername: string
  secure: boolean
}

/** The connections to one backend: those at work, and those that wait for a request, latest first. */
export class Connections {
  readonly #backend: Backend
  readonly #all = new Set<Connection>()
  readonly #idle = new LinkedList<Connection>()
  #closed = false
  /** For what undici's connections cannot do. */
  readonly agent: Agent
  readonly address: Address
  /** Undefined where the backend's host is an address. */
  readonly lookup: HostLookup | undefined
  readonly #connect: Connect
  /** Bytes of the head of an answer. */
  readonly maxHeaderSize: number

  constructor(backend: Backend, maxHeaderSize: number, names: NameLookup) {
    this.#backend = backend
    this.maxHeaderSize = maxHeaderSize
    this.address = addressOf(backend)
    this.lookup = hostLookup(names, this.address.host)
    this.#connect = connectorFor(this.lookup)
    this.agent = guarded(
      new (this.address.secure ? TlsAgent : Agent)({
        keepAlive: true,
        timeout: KEEP_ALIVE,
        scheduling: 'lifo',
        noDelay: true,
      }),
    )
  }

  /** A connection that no request is using; one that is kept, or a new one. */
  take(): Connection {
    const kept = this.#idle.last
    if (kept) {
      this.#leaveIdle(kept)
      return kept
    }
    const made = new Connection(
      this.#backend,
      this.maxHeaderSize,
      this.#connect,
      this.lookup,
      (connection) => this.#done(connection),
      (connection) => this.#lost(connection),
    )
    this.#all.add(made)
    return made
  }

  /** Closes each connection as soon as no request uses it. */
  close(): void {
    this.#closed = true
    for (let idle = this.#idle.first; idle; idle = this.#idle.first) this.#drop(idle)
    this.agent.maxFreeSockets = 0
    for (const sockets of Object.values(this.agent.freeSockets))
      for (const socket of sockets ?? []) socket.destroy()
  }

  /** Closes every connection now. */
  destroy(): void {
    this.#closed = true
    for (const connection of this.#all) this.#drop(connection)
    this.agent.destroy()
  }

  #done(connection: Connection): void {
    if (!this.#all.has(connection) || connection.idle) return
    if (this.#closed || !connection.usable) {
      this.#drop(connection)
    } else {
      connection.idle = true
      this.#idle.append(connection)
    }
  }

  #lost(connection: Connection): void {
    // One that is at work fails its request, or makes a new connection for it.
    if (connection.idle) this.#drop(connection)
  }

  #leaveIdle(connection: Connection): void {
    connection.idle = false
    this.#idle.remove(connection)
  }

  #drop(connection: Connection): void {
    if (!this.#all.delete(connection)) return
    if (connection.idle) this.#leaveIdle(connection)
    connection.close()
  }
}

/** Takes a backend's URL apart. */
export function addressOf(backend: Backend): Address {
  const { protocol, hostname, port } = new URL(backend.url)
  const secure = protocol === 'https:'
  const host = hostname.replace(/^\[|\]$/g, '')
  return { host, port: Number(port) || (secure ? 443 : 80), servername: isIP(host) ? '' : host, secure }
}

/**
 * Closes a waiting connection on which the backend says something nobody asked for: the next request would
 * take it for its answer.
 */
function guarded(kept: Agent): Agent {
  const agent = kept as Agent & Pick<AgentInternals, 'addRequest'>
  const { keepSocketAlive, reuseSocket, addRequest } = agent
  agent.addRequest = function (...parameters) {
    dropDestroyed(this)
    addRequest.apply(this, parameters)
  }
  agent.keepSocketAlive = function (socket) {
    const kept = Boolean(keepSocketAlive.call(this, socket)) && this.maxFreeSockets > 0
    if (kept) socket.on('data', drop)
    return kept
  }
  agent.reuseSocket = function (socket, request) {
    socket.off('data', drop)
    reuseSocket.call(this, socket, request)
  }
  return agent
}

/** What Node's agent calls to give a request a connection; its types do not have it. */
interface AgentInternals {
  addRequest(...parameters: unknown[]): void
}

/**
 * Takes connections out of the waiting ones that are destroyed and have yet to say so. Node's agent looks at the first
 * that waits, and gives out the last.
 */
function dropDestroyed({ freeSockets }: Agent): void {
  for (const waiting of Object.values(freeSockets)) {
    while (waiting?.at(-1)?.destroyed) waiting.pop()
  }
}

function drop(this: { destroy(): void }): void {
  this.destroy()
}
