import { type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { FieldLines } from '../../http/fields.js'
import { rawHead } from '../../http/raw-head.js'
import { adopt, ignore, release, whenIdle } from '../connection/hijacked-socket.js'
import { http1 } from '../http1.js'
import {
  giveOneOwner,
  isLeftToOthers,
  isOfPool,
  isUnder,
  type PoolUpgrades,
  pathOf,
  rawListeners,
  type UpgradeListener,
} from './upgrade-owner.js'

/** A connection whose client has asked to use it for another protocol. */
interface Upgrade {
  socket: Socket
  /** The bytes that came after the request. */
  head: Buffer
}

const upgrades = new WeakMap<IncomingMessage, Upgrade>()

/** Whether a request asks for another protocol. */
export function isUpgrade(request: IncomingMessage): boolean {
  return upgrades.has(request)
}

/** Takes the bare connection of a request that asks for another protocol; undefined where the connection is gone. */
export function takeUpgrade(request: IncomingMessage): Upgrade | undefined {
  const upgrade = upgrades.get(request)
  if (!upgrade || upgrade.socket.destroyed) return undefined
  release(upgrade.socket)
  return upgrade
}

const pools = new WeakMap<object, PoolUpgrades[]>()

/**
 * Routes requests with Upgrade to a pool's routes, hooks included, like any other request. Node does not route them
 * once the server has a listener for upgrades. Upgrades that are not for a pool are left to other listeners; without
 * other listeners they are routed as if there were no listener at all.
 */
export function routeUpgrades(app: FastifyInstance, pool: PoolUpgrades): void {
  const { server } = app
  const known = pools.get(server)
  if (known) {
    known.push(pool)
    return
  }
  const ours = [pool]
  pools.set(server, ours)
  const listener = (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (isLeftToOthers(request)) return
    adopt(socket)
    const path = pathOf(request)
    const isOurs = ours.some(({ prefix, foreign = [] }) => {
      return isUnder(prefix, path) && !foreign.some((one) => isUnder(one, path))
    })
    if (isOurs && isTunnelled(request)) whenIdle(socket, () => route(app, request, socket, head))
    else whenIdle(socket, () => routeWithoutUpgrade(server, request, socket, head))
  }
  server.on('upgrade', listener)
  giveOneOwner(app, ours, listener)
  routeWithBodies(app, ours, listener)
  app.addHook('onListen', async () => {
    const isAmbiguous = ours.some(({ prefix, foreign }) => prefix === '' && !foreign)
    if (!isAmbiguous || rawListeners(server, listener).length === 0) return
    app.log.info(
      'somebody else listens for upgrades on this server, and is asked before the pool that takes everything; ' +
        'the option foreignUpgrades can name the paths',
    )
  })
}

/** First release of Node that reads the body of an upgrade request before it hands out the connection. */
const NODE_READS_BODIES_SINCE = 25

/**
 * Makes the server route a request with Upgrade and a body as if it did not ask for an upgrade. This is for releases of
 * Node that read the body, because then the request cannot be given back as it came. Node ignores everything that a
 * client sends after an upgrade request which the server declined, so the connection has to end with the response.
 */
function routeWithBodies(app: FastifyInstance, pools: readonly PoolUpgrades[], own: UpgradeListener): void {
  const server = app.server as Server & { shouldUpgradeCallback?: (request: IncomingMessage) => boolean }
  const before = server.shouldUpgradeCallback
  if (!before || Number.parseInt(process.versions.node, 10) < NODE_READS_BODIES_SINCE) return
  server.shouldUpgradeCallback = (request) => {
    if (!before.call(server, request)) return false
    if (!http1.hasBody(request) || !isOfPool(app, pools, own, request)) return true
    // Node emits the event right after this.
    server.prependOnceListener('request', (routed, response) => {
      if (routed === request) response.shouldKeepAlive = false
    })
    return false
  }
}

function route(app: FastifyInstance, request: IncomingMessage, socket: Socket, head: Buffer): void {
  upgrades.set(request, { socket, head })
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  // Any response but 101 is the last one on this connection.
  response.once('finish', () => {
    response.detachSocket(socket)
    socket.destroySoon()
  })
  app.routing(request, response)
}

/**
 * Whether the gateway can pass on the upgrade that a request asks for. It cannot pass on an upgrade to h2c: HTTP/2 in a
 * tunnel would bypass every hook of the app, and RFC 9113 section 3.1 withdrew h2c. Nor can it pass on an upgrade with
 * a body, because the body could not be told from the bytes after the switch.
 */
function isTunnelled(request: IncomingMessage): boolean {
  return !http1.hasBody(request) && request.httpVersion === '1.1' && wantedProtocols(request) !== ''
}

/** The protocols of the Upgrade field without h2c. */
export function wantedProtocols({ headers }: IncomingMessage): string {
  const protocols = (headers.upgrade ?? '').split(',').map((protocol) => protocol.trim())
  return protocols.filter((protocol) => protocol !== '' && protocol.toLowerCase() !== 'h2c').join(', ')
}

/** Gives a request back to the server as one that does not ask for an upgrade, as RFC 9110 section 7.8 allows. */
function routeWithoutUpgrade(
  server: FastifyInstance['server'],
  request: IncomingMessage,
  socket: Socket,
  rest: Buffer,
): void {
  const fields: FieldLines = []
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] as string
    const value = request.rawHeaders[i + 1] as string
    if (/^(upgrade|http2-settings)$/i.test(name)) continue
    const kept = /^connection$/i.test(name) ? withoutUpgrade(value) : value
    if (kept !== undefined) fields.push(name, kept)
  }
  const head = rawHead(`${request.method} ${request.url} HTTP/${request.httpVersion}`, fields)
  release(socket)
  socket.off('error', ignore)
  socket.unshift(Buffer.concat([Buffer.from(head, 'latin1'), rest]))
  // The server takes a new connection by this event; with TLS the event is emitted after the handshake.
  server.emit('encrypted' in socket ? 'secureConnection' : 'connection', socket)
}

function withoutUpgrade(connection: string): string | undefined {
  const options = connection.split(',').map((option) => option.trim())
  return options.filter((option) => !/^(upgrade|http2-settings)$/i.test(option)).join(', ') || undefined
}
