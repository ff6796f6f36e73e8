import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** One request and its response, on a client's connection. */
interface Exchange {
  readonly request: Request
  /** Called when it is over. */
  readonly onOver: (() => void)[]
  safe: boolean
  /** Called when it may begin; undefined once it has. */
  begin: (() => void) | undefined
  /** Nothing that comes after it on this connection is to be answered. */
  last: boolean
}

/** Those of one connection, in the order of arrival. */
interface Exchanges extends Map<Response, Exchange> {
  /** The last one is over. */
  ended?: boolean
  /** Called once when no exchange is left. */
  onEmpty?: (() => void) | undefined
  /** Once these are over, the connection is cut. */
  cutAfter?: Set<Response>
}
type Request = Pick<IncomingMessage, 'socket' | 'method' | 'complete' | 'headers'>
type Response = Pick<ServerResponse, 'once' | 'destroyed' | 'headersSent'>

const open = new WeakMap<Socket, Exchanges>()

/** Requests that one client may have under way on one connection; more than that wait their turn. */
const PARALLEL = 100
/** With more than this many sent ahead, a connection is cut: nobody needs that many, and each takes memory. */
const AHEAD = 1000

/** Methods that ask for nothing to be changed, RFC 9110 section 9.2.1. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'PROPFIND', 'QUERY', 'REPORT', 'SEARCH'])

/**
 * Calls `callback` exactly once, when the exchange is over for the client: its response was written, or it
 * left. The response's `close` is not enough: Node 20 does not emit it for a pipelined request whose turn to
 * be answered had not come when the socket died. The socket is looked up now, because it is taken off a
 * request whose connection was closed.
 */
export function onFinished(request: Request, response: Response, callback: () => void): void {
  const { socket } = request
  const exchanges = open.get(socket) ?? listen(socket)
  const exchange = exchanges.get(response) ?? arrive(exchanges, request, response)
  exchange.onOver.push(callback)
  if (socket.destroyed || response.destroyed) end(exchanges, response)
}

const watched = new WeakSet<object>()

/**
 * Notes the requests of a server as they arrive. Without it they stand in the order in which hooks of the app
 * let them through, and could wait for each other.
 */
export function watchArrivals(server: Server): void {
  if (watched.has(server)) return
  watched.add(server)
  server.prependListener('request', (request, response) => {
    if (!('stream' in request)) arrive(open.get(request.socket) ?? listen(request.socket), request, response)
  })
}

function arrive(exchanges: Exchanges, request: Request, response: Response): Exchange {
  const safe = SAFE.has(request.method as string)
  const exchange = { request, onOver: [], safe, begin: undefined, last: false }
  exchanges.set(response, exchange)
  response.once('close', () => end(exchanges, response))
  if (exchanges.size > AHEAD && !('stream' in request)) request.socket.destroy()
  return exchange
}

/**
 * Calls `begin` when the request may be worked on: at once, unless the client sent others ahead of it. Safe
 * ones are worked on side by side, any other waits for all before it and is waited for by all after it, as
 * their order may matter (RFC 9112 section 9.3.2). Never, where the connection ends before.
 */
export function onTurn(request: Request, response: Response, begin: () => void): void {
  const exchanges = open.get(request.socket)
  const exchange = exchanges?.get(response)
  // It is over already.
  if (!exchanges || !exchange) return
  exchange.begin = begin
  advance(exchanges)
}

/** Whether the client still waits for this response. */
export function isOpen(request: Request, response: Response): boolean {
  return open.get(request.socket)?.has(response) === true
}

/** Nothing that a client sends after this request is to be worked on: its connection ends with the response. */
export function closeAfter(request: Request, response: Response): void {
  if (!open.get(request.socket)?.has(response)) onFinished(request, response, () => {})
  const exchange = open.get(request.socket)?.get(response)
  if (exchange) exchange.last = true
}

/** How many exchanges are under way on a connection; more than one where a client sends requests ahead. */
export function pendingOn(socket: Socket): number {
  return open.get(socket)?.size ?? 0
}

/** Whether a client has sent nothing ahead of an answer, which may so be the last on its connection. */
export function isOnlyPending(request: Request): boolean {
  return !('stream' in request) && pendingOn(request.socket) <= 1
}

/**
 * Ends a connection on which something came that is no request, nor the rest of one. What was asked before is
 * answered before; a request whose body turned out malformed is over.
 * @param refuse called when it is the turn of an answer to it; not at all where another answer had begun
 * @param spoil called before a request is over whose body it was
 */
export function rejectInOrder(socket: Socket, refuse: () => void, spoil: (request: Request) => void): void {
  const exchanges = open.get(socket)
  const [response, last] = [...(exchanges ?? [])].at(-1) ?? []
  if (exchanges && response && last?.request.complete === false) {
    if (response.headersSent) {
      socket.destroy()
    } else {
      spoil(last.request)
      end(exchanges, response)
    }
  }
  if (exchanges && exchanges.size > 0) exchanges.onEmpty = refuse
  else refuse()
}

/**
 * Cuts the connection when it is the turn of an answer that broke before it; at once, where it is its turn.
 * (Node 24 forgets that such a response was destroyed.)
 */
export function destroyInOrder(request: Request, response: Response): void {
  const { socket } = request
  const exchanges = open.get(socket)
  if (!exchanges) return
  const earlier = new Set<Response>()
  for (const one of exchanges.keys()) {
    if (one === response) break
    earlier.add(one)
  }
  if (earlier.size === 0) socket.destroy()
  else exchanges.cutAfter = earlier
}

/** One listener for each connection, not for each request on it. */
function listen(socket: Socket): Exchanges {
  const exchanges: Exchanges = new Map()
  open.set(socket, exchanges)
  socket.once('close', () => {
    for (const exchange of exchanges.values()) exchange.begin = undefined
    for (const response of exchanges.keys()) end(exchanges, response)
  })
  return exchanges
}

function end(exchanges: Exchanges, response: Response): void {
  const exchange = exchanges.get(response)
  if (!exchange) return
  exchanges.delete(response)
  if (exchange.last) exchanges.ended = true
  if (exchanges.cutAfter?.delete(response) && exchanges.cutAfter.size === 0) exchange.request.socket.destroy()
  for (const callback of exchange.onOver) callback()
  if (exchanges.size > 0) {
    advance(exchanges)
  } else if (exchanges.onEmpty) {
    exchanges.onEmpty()
    exchanges.onEmpty = undefined
  }
}

/** Begins with what may begin, in the order of arrival. */
function advance(exchanges: Exchanges): void {
  if (exchanges.ended) return
  let earlier = 0
  for (const exchange of exchanges.values()) {
    if (earlier >= PARALLEL || (earlier > 0 && !exchange.safe)) return
    start(exchange)
    if (!exchange.safe || exchange.last) return
    earlier++
  }
}

function start(exchange: Exchange): void {
  const { begin } = exchange
  exchange.begin = undefined
  begin?.()
}
