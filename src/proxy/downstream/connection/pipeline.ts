import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

type Request = Pick<IncomingMessage, 'socket' | 'method' | 'complete' | 'headers'>
type Response = Pick<ServerResponse, 'once' | 'destroyed' | 'headersSent'>

/** One request and its response, on a client's connection. */
interface Exchange {
  readonly request: Request
  /** Called when the exchange is over. */
  readonly onFinished: (() => void)[]
  /** Whether the method is in {@link SAFE}. */
  readonly isSafe: boolean
  /** Called when the request may be worked on; undefined once it was. */
  begin: (() => void) | undefined
  /** Whether no later request on this connection gets a response. */
  isLast: boolean
}

/** The exchanges of one connection that are not over, in the order in which their requests came. */
interface Exchanges extends Map<Response, Exchange> {
  /** Whether the exchange that was marked as the last one is over. */
  isEnded?: boolean
  /** Called once no exchange is left. */
  onEmpty?: (() => void) | undefined
  /** The connection is destroyed when all of these are over. */
  destroyAfter?: Set<Response>
}

const exchangesOf = new WeakMap<Socket, Exchanges>()

/** How many requests of one connection are worked on at a time; more of them wait their turn. */
const MAX_PARALLEL = 100
/** A connection on which more requests than this wait for a response is destroyed, as each takes memory. */
const MAX_PENDING = 1000

/** Methods that ask for nothing to be changed, RFC 9110 section 9.2.1. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'PROPFIND', 'QUERY', 'REPORT', 'SEARCH'])

/**
 * Calls `callback` exactly once, when the exchange is over for the client: its response was written, or the client
 * left. The event `close` of the response does not suffice: Node 20 does not emit it for a pipelined request whose turn
 * had not come when the connection closed. The socket is kept now, as Node takes it off a request whose connection closes.
 */
export function onFinished(request: Request, response: Response, callback: () => void): void {
  const { socket } = request
  const exchanges = exchangesOf.get(socket) ?? track(socket)
  const exchange = exchanges.get(response) ?? add(exchanges, request, response)
  exchange.onFinished.push(callback)
  if (socket.destroyed || response.destroyed) finish(exchanges, response)
}

/** Adds a request of HTTP/1 to those of its connection, when its head has come. */
export function noteArrival(request: Request, response: Response): void {
  const { socket } = request
  const exchanges = exchangesOf.get(socket) ?? track(socket)
  add(exchanges, request, response)
  if (exchanges.size > MAX_PENDING) socket.destroy()
}

function add(exchanges: Exchanges, request: Request, response: Response): Exchange {
  const isSafe = SAFE.has(request.method as string)
  const exchange = { request, onFinished: [], isSafe, begin: undefined, isLast: false }
  exchanges.set(response, exchange)
  response.once('close', () => finish(exchanges, response))
  return exchange
}

/**
 * Calls `begin` when the request may be worked on, which is at once unless earlier ones on the connection are not over.
 * Requests with a safe method are worked on side by side. Any other waits for all that came before it, and all that
 * came after it wait for it, as their order may matter (RFC 9112 section 9.3.2). Never calls it if the connection closes
 * before.
 */
export function onTurn(request: Request, response: Response, begin: () => void): void {
  const exchanges = exchangesOf.get(request.socket)
  const exchange = exchanges?.get(response)
  // The exchange is over already.
  if (!exchanges || !exchange) return
  exchange.begin = begin
  advance(exchanges)
}

/** Whether the client still waits for this response. */
export function isOpen(request: Request, response: Response): boolean {
  return exchangesOf.get(request.socket)?.has(response) === true
}

/** Has no later request on the connection worked on, as the connection closes with this response. */
export function closeAfter(request: Request, response: Response): void {
  if (!isOpen(request, response)) onFinished(request, response, () => {})
  const exchange = exchangesOf.get(request.socket)?.get(response)
  if (exchange) exchange.isLast = true
}

/** Whether a request has come on a connection. */
export function hadExchange(socket: Socket): boolean {
  return exchangesOf.has(socket)
}

/** How many exchanges of a connection are not over; more than one where the client pipelines. */
export function pendingOn(socket: Socket): number {
  return exchangesOf.get(socket)?.size ?? 0
}

/**
 * Ends a connection on which bytes came that are neither a request nor the rest of one. Responses to earlier requests are
 * sent before; a request whose body turned out to be malformed is over.
 * @param reject called when it is the turn of a response to those bytes; never if another response had begun by then
 * @param onMalformedBody called with the request whose body it was, before that is over
 */
export function rejectInOrder(
  socket: Socket,
  reject: () => void,
  onMalformedBody: (request: Request) => void,
): void {
  const exchanges = exchangesOf.get(socket)
  const [response, latest] = [...(exchanges ?? [])].at(-1) ?? []
  if (exchanges && response && latest?.request.complete === false) {
    if (response.headersSent) {
      socket.destroy()
    } else {
      onMalformedBody(latest.request)
      finish(exchanges, response)
    }
  }
  if (exchanges && exchanges.size > 0) exchanges.onEmpty = reject
  else reject()
}

/**
 * Destroys the connection when it is the turn of a response that broke before its turn; at once where that is now.
 * (Node 24 forgets that such a response was destroyed.)
 */
export function destroyInOrder(request: Request, response: Response): void {
  const { socket } = request
  const exchanges = exchangesOf.get(socket)
  if (!exchanges) return
  const earlier = new Set<Response>()
  for (const one of exchanges.keys()) {
    if (one === response) break
    earlier.add(one)
  }
  if (earlier.size === 0) socket.destroy()
  else exchanges.destroyAfter = earlier
}

/** Begins to keep the exchanges of a connection. It has one listener for all of them. */
function track(socket: Socket): Exchanges {
  const exchanges: Exchanges = new Map()
  exchangesOf.set(socket, exchanges)
  socket.once('close', () => {
    for (const exchange of exchanges.values()) exchange.begin = undefined
    for (const response of exchanges.keys()) finish(exchanges, response)
  })
  return exchanges
}

function finish(exchanges: Exchanges, response: Response): void {
  const exchange = exchanges.get(response)
  if (!exchange) return
  exchanges.delete(response)
  if (exchange.isLast) exchanges.isEnded = true
  if (exchanges.destroyAfter?.delete(response) && exchanges.destroyAfter.size === 0) {
    exchange.request.socket.destroy()
  }
  for (const callback of exchange.onFinished) callback()
  if (exchanges.size > 0) {
    advance(exchanges)
  } else if (exchanges.onEmpty) {
    exchanges.onEmpty()
    exchanges.onEmpty = undefined
  }
}

/** Begins all requests that may be worked on now, in the order in which they came. */
function advance(exchanges: Exchanges): void {
  if (exchanges.isEnded) return
  let earlier = 0
  for (const exchange of exchanges.values()) {
    if (earlier >= MAX_PARALLEL || (earlier > 0 && !exchange.isSafe)) return
    const { begin } = exchange
    exchange.begin = undefined
    begin?.()
    if (!exchange.isSafe || exchange.isLast) return
    earlier++
  }
}
