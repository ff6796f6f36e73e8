import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ConnectionError } from 'fastify'
import type { Headers } from '../../http/fields.js'
import { lingeringClose } from '../../http/lingering-close.js'
import { allow } from '../../http/methods.js'
import { type Peer, peerOf } from '../../http/peer.js'
import { rawHead } from '../../http/raw-head.js'
import { errorBody } from '../errors/error-response.js'
import { chooseRequestId, makeRequestId, REQUEST_ID } from '../request/request-id.js'
import { adopt, release, whenIdle } from './hijacked-socket.js'
import { pendingOn, rejectInOrder } from './pipeline.js'

/** An answer to what no route ever saw. */
export interface EarlyRejection {
  requestId: string
  /** Null where what came could not be read as one. */
  request: IncomingMessage | null
  peer: Peer
  statusCode: number
  /** `LEASTWISE_…` */
  code: string
  /** Length of the answer's body. */
  bytes: number
}

/** Is told of each, once, when it is written. */
export type RejectionObserver = (refusal: EarlyRejection) => void

/** What Node's parser refuses for another reason than being malformed. */
const reasons: Record<string, { statusCode: number; code: string; message: string }> = {
  ERR_HTTP_REQUEST_TIMEOUT: {
    statusCode: 408,
    code: 'LEASTWISE_REQUEST_TIMEOUT',
    message: 'the head of the request did not come in time',
  },
  HPE_HEADER_OVERFLOW: {
    statusCode: 431,
    code: 'LEASTWISE_HEAD_TOO_LARGE',
    message: 'the head of the request is too large',
  },
}
const malformed = {
  statusCode: 400,
  code: 'LEASTWISE_MALFORMED_REQUEST',
  message: 'this is not an HTTP request',
}

/** Connections that were refused; what still comes on them is not looked at. */
const refused = new WeakSet<Socket>()
/** Time that a client has to notice that it was rejected. */
const LINGER_MS = 2000

/** Requests that had begun when the rest of them turned out malformed. */
const spoilt = new WeakMap<object, Pick<EarlyRejection, 'statusCode' | 'code' | 'bytes'>>()

/** How a request was answered past its own response, as its body was malformed; undefined where it was not. */
export function rejectionOf(
  request: object,
): Pick<EarlyRejection, 'statusCode' | 'code' | 'bytes'> | undefined {
  return spoilt.get(request)
}

/** Answers what is no request, in the shape of every other error, and closes the connection. */
export function rejectMalformed(error: ConnectionError, socket: Socket, observe?: RejectionObserver): void {
  // A client that leaves in the middle of a request does not wait for the answers to those before, either.
  const left = error.code === 'HPE_INVALID_EOF_STATE' && pendingOn(socket) > 0
  if (left || error.code === 'ECONNRESET' || socket.destroyed) {
    socket.destroy()
    return
  }
  // What follows a request that said it was the last. It is not heard; the answer to the request is on its way.
  if (refused.has(socket) || (error.code === 'HPE_CLOSED_CONNECTION' && pendingOn(socket) > 0)) return
  refused.add(socket)
  const { statusCode, code, message } = reasons[error.code] ?? malformed
  const body = errorBody(statusCode, code, message)
  const peer = peerOf(socket)
  const bytes = body.length
  let tell = observe
  let requestId = makeRequestId()
  const refuse = () => {
    if (!close(socket, answer(statusCode, requestId, body))) return
    tell?.({ requestId, request: null, peer, statusCode, code, bytes })
  }
  rejectInOrder(socket, refuse, (request) => {
    spoilt.set(request, { statusCode, code, bytes })
    requestId = String(request.headers[REQUEST_ID])
    // Its own observers are told.
    tell = undefined
  })
}

/** Answers CONNECT, which is for proxies of another kind, and which Node would leave without an answer. */
export function rejectConnect(request: IncomingMessage, duplex: Duplex, observe?: RejectionObserver): void {
  const socket = duplex as Socket
  const requestId = chooseRequestId(request)
  const code = 'LEASTWISE_METHOD_NOT_ALLOWED'
  const body = errorBody(405, code, 'CONNECT is not passed on')
  adopt(socket, true)
  whenIdle(socket, () => {
    release(socket)
    if (!close(socket, answer(405, requestId, body, { allow }))) return
    observe?.({ requestId, request, peer: peerOf(socket), statusCode: 405, code, bytes: body.length })
  })
}

/** Answers an Expect that nobody here can meet, RFC 9110 section 10.1.1. */
export function rejectExpectation(
  request: IncomingMessage,
  reply: ServerResponse,
  observe?: RejectionObserver,
): void {
  const requestId = chooseRequestId(request)
  const code = 'LEASTWISE_EXPECTATION_FAILED'
  const body = errorBody(417, code, 'only 100-continue can be expected')
  const bytes = body.length
  const type = 'application/json; charset=utf-8'
  const fields = { 'content-type': type, 'content-length': bytes, [REQUEST_ID]: requestId }
  const peer = peerOf(request.socket)
  reply.once('finish', () => observe?.({ requestId, request, peer, statusCode: 417, code, bytes }))
  // Whoever expects something may send what he likes now, or nothing.
  reply.writeHead(417, { ...fields, connection: 'close' }).end(body)
}

/** Says the last thing on a connection; returns false where nobody would hear it. */
function close(socket: Socket, text: string): boolean {
  if (!socket.writable) {
    socket.destroy()
    return false
  }
  lingeringClose(socket, { last: text, timeoutMs: LINGER_MS })
  return true
}

function answer(statusCode: number, requestId: string, body: string, fields: Headers = {}): string {
  const head = rawHead(`HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode]}`, {
    ...fields,
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(body.length),
    [REQUEST_ID]: requestId,
    connection: 'close',
  })
  return head + body
}
