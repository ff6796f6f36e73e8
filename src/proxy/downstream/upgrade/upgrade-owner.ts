import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { isProxied } from '../host-app/route-probe.js'

/** Which upgrades on the server of an app belong to a pool. */
export interface PoolUpgrades {
  /** The path prefix of the pool's routes; empty where the pool takes every path. */
  prefix: string
  /** Paths whose upgrades belong to other listeners; undefined where the option is left out. */
  foreign: readonly string[] | undefined
}

type Server = FastifyInstance['server']
export type UpgradeListener = (request: IncomingMessage, socket: Socket, head: Buffer) => unknown

/** Upgrades that were given to other listeners. */
const leftToOthers = new WeakSet<IncomingMessage>()

/** Whether an upgrade was given to other listeners. */
export function isLeftToOthers(request: IncomingMessage): boolean {
  return leftToOthers.has(request)
}

/**
 * Gives each upgrade to one owner. Node calls every listener for every upgrade, and two listeners that respond would
 * both write to one connection. Where there are other listeners than `own`, they are called only for upgrades that no
 * pool takes. If a pool takes every path and no option names the paths of the other listeners, the other listeners are
 * called first. An app without other listeners pays nothing.
 */
export function giveOneOwner(
  app: FastifyInstance,
  pools: readonly PoolUpgrades[],
  own: UpgradeListener,
): void {
  const { server } = app
  let guarded = false
  const guard = () => {
    if (guarded) return
    guarded = true
    const emit = server.emit.bind(server) as (event: string, ...args: unknown[]) => boolean
    server.emit = ((event: string, ...args: unknown[]) => {
      if (event !== 'upgrade') return emit(event, ...args)
      const [request, socket, head] = args as Parameters<UpgradeListener>
      const others = othersOf(server, own)
      const owner = others.length === 0 ? 'pool' : ownerOf(app, pools, request)
      if (owner === 'others') {
        leftToOthers.add(request)
        return emit(event, ...args)
      }
      if (owner === 'pool') own(request, socket, head)
      else askFirst(server, others, args as Parameters<UpgradeListener>, own)
      return true
    }) as Server['emit']
  }
  server.on('newListener', (event) => {
    if (event === 'upgrade') guard()
  })
  if (othersOf(server, own).length > 0) guard()
}

/** Other listeners than `own`, without those that only pass upgrades to the app's router, as @fastify/websocket does. */
export function rawListeners(server: Server, own: UpgradeListener): UpgradeListener[] {
  return othersOf(server, own).filter((listener) => !/\brouting\s*\(/.test(String(listener)))
}

/** Whether an upgrade is given to `own` and no other listener is called for it. */
export function isOfPool(
  app: FastifyInstance,
  pools: readonly PoolUpgrades[],
  own: UpgradeListener,
  request: IncomingMessage,
): boolean {
  return othersOf(app.server, own).length === 0 || ownerOf(app, pools, request) === 'pool'
}

function othersOf(server: Server, own: UpgradeListener): UpgradeListener[] {
  return (server.listeners('upgrade') as UpgradeListener[]).filter((listener) => listener !== own)
}

function ownerOf(
  app: FastifyInstance,
  pools: readonly PoolUpgrades[],
  request: IncomingMessage,
): 'pool' | 'others' | 'others first' {
  const path = pathOf(request)
  const those = pools.filter(({ prefix }) => isUnder(prefix, path))
  if (those.length === 0) return 'others'
  if (those.some(({ foreign = [] }) => foreign.some((one) => isUnder(one, path)))) return 'others'
  if (!isProxied(app, request)) return 'others'
  return those.some(({ prefix, foreign }) => prefix !== '' || foreign) ? 'pool' : 'others first'
}

/** Calls other listeners in turn until side effects show that one has taken the upgrade; calls `own` if none has. */
async function askFirst(
  server: Server,
  others: readonly UpgradeListener[],
  [request, socket, head]: Parameters<UpgradeListener>,
  own: UpgradeListener,
): Promise<void> {
  for (const listener of rawListeners(server, own)) {
    if (!others.includes(listener)) continue
    const before = effectsOn(request, socket, listener)
    const { result, isRefused } = watchRefusal(socket, () => listener.call(server, request, socket, head))
    if (isRefused) continue
    // Without a listener, an error of the connection would end the process while this promise is pending.
    if (isPromise(result)) {
      const ignore = () => {}
      socket.on('error', ignore)
      await result.catch(() => {})
      socket.off('error', ignore)
    }
    if (effectsOn(request, socket, listener) !== before) return
  }
  if (socket.destroyed) return
  pretendWritten(socket)
  own(request, socket, head)
}

/**
 * Calls a listener, and suppresses a response 400 that it sends. A server of the package ws that has a path refuses all
 * other paths, and these may belong to a pool.
 */
function watchRefusal(socket: Socket, call: () => unknown): { result: unknown; isRefused: boolean } {
  const { end } = socket
  const earlier = [...socket.listeners('error'), ...socket.listeners('finish')]
  let isRefused = false
  socket.end = ((...said: Parameters<Socket['end']>) => {
    isRefused ||= typeof said[0] === 'string' && /^HTTP\/1\.1 400 /.test(said[0])
    return isRefused ? socket : end.apply(socket, said)
  }) as Socket['end']
  try {
    const result = call()
    return { result, isRefused }
  } finally {
    Reflect.deleteProperty(socket, 'end')
    for (const event of isRefused ? ['error', 'finish'] : []) {
      for (const listener of socket.rawListeners(event) as (() => void)[]) {
        const { listener: once = listener } = listener as { listener?: () => void }
        if (!earlier.includes(once)) socket.off(event, listener)
      }
    }
  }
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as Promise<unknown> | undefined)?.then === 'function'
}

/** What changes when a listener takes an upgrade: bytes written, listeners of the socket, properties of the request. */
function effectsOn(request: IncomingMessage, socket: Socket, listener: UpgradeListener): string {
  // Engine.IO, the transport of Socket.IO, adds a listener for errors also to upgrades that it does not take.
  const isEngine = String(listener).includes('destroyUpgrade')
  const heard = socket.eventNames().filter((event) => !(isEngine && event === 'error'))
  const listeners = heard.reduce((count, event) => count + socket.listenerCount(event), 0)
  const marks = Reflect.ownKeys(request).length
  return [socket.destroyed, socket.writableEnded, written(socket), listeners, marks].join()
}

function written(socket: Socket): number {
  return socket.bytesWritten + socket.writableLength
}

/**
 * Makes a connection look as if something had been written to it. Engine.IO also ends connections of other owners if
 * nothing was written to them after a second, for example while they wait for a backend.
 */
function pretendWritten(socket: Socket): void {
  if (socket.bytesWritten > 0) return
  let proto: object | null = socket
  let getter: (() => number) | undefined
  while (proto && !getter) {
    getter = Object.getOwnPropertyDescriptor(proto, 'bytesWritten')?.get
    proto = Object.getPrototypeOf(proto)
  }
  Object.defineProperty(socket, 'bytesWritten', {
    configurable: true,
    get: () => Math.max(1, getter?.call(socket) ?? 0),
  })
}

export function pathOf({ url }: IncomingMessage): string {
  const path = (url as string).replace(/^https?:\/\/[^/?]*/i, '').split('?', 1)[0] as string
  try {
    return decodeURI(path)
  } catch {
    // The router itself rejects such a path.
    return path
  }
}

export function isUnder(prefix: string, path: string): boolean {
  // Only the router can compare a prefix that has parameters.
  return prefix === '' || /[:*]/.test(prefix) || path === prefix || path.startsWith(`${prefix}/`)
}
