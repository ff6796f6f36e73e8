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
  /** Called when work on the request may begin; undefined after the call. */
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

/** How many requests of one connection are worked on at a time; further requests wait their turn. */
const MAX_PARALLEL = 100
/** A connection on which more requests than this wait for a response is destroyed, as each takes memory. */
const MAX_PENDING = 1000

/** Safe methods, which do not ask for any change. RFC 9110 section 9.2.1. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'PROPFIND', 'QUERY', 'REPORT', 'SEARCH'])

/**
 * Calls `callback` exactly once, when the exchange is over for the client: its response was written, or the client
 * left. The event `close` of the response does not suffice: Node 20 does not emit it for a pipelined request whose turn
 * had not come when the connection closed. The socket is read from the request now, because Node removes it from a
 * request whose connection closes.
 */
export function onFinished(request: Request, response: Response, callback: () => void): void {
  const { socket } = request
  const exchanges = exchangesOf.get(socket) ?? track(socket)
  const exchange = exchanges.get(response) ?? add(exchanges, request, response)
  exchange.onFinished.push(callback)
  if (socket.destroyed || response.destroyed) finish(exchanges, response)
}

/** Adds a request of HTTP/1 to the exchanges of its connection, when its head has come. */
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
 * Calls `begin` when work on the request may begin. That is now, unless earlier requests on the connection are not
 * over. Requests with a safe method are worked on in parallel. Any other request waits for all requests before it, and
 * all requests after it wait for it, because their order may matter (RFC 9112 section 9.3.2). `begin` is never called
 * if the connection closes before.
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

/** Prevents work on later requests of the connection, because the connection closes with this response. */
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
 * Ends a connection on which bytes came that are neither a request nor the rest of one. Responses to earlier requests
 * are sent first. A request whose body turned out to be malformed is over.
 * @param reject called when the response to those bytes has its turn; never if another response had begun by then
 * @param onMalformedBody called with the request that has the malformed body, before this request is over
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
 * Destroys the connection once a response that broke off has its turn, which may be now. (Node 24 forgets that such a
 * response was destroyed.)
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

/** Begins to record the exchanges of a connection. One listener on the connection serves all of them. */
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

/** Begins work on all requests for which it may begin now, in the order in which they came. */
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
