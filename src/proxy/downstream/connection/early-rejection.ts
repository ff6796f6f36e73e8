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
import { findLargePart, type LargePart } from './head-overflow.js'
import { adopt, release, whenIdle } from './hijacked-socket.js'
import { pendingOn, rejectInOrder } from './pipeline.js'

/** A response to a request, or to other bytes, that no route has seen. */
export interface EarlyRejection {
  requestId: string
  /** Null where the bytes that came could not be read as a request. */
  request: IncomingMessage | null
  peer: Peer
  statusCode: number
  /** The error code, `LEASTWISE_…`. */
  code: string
  /** Length of the response's body. */
  bytes: number
}

/** Called once for each rejection, when its response is written. */
export type RejectionObserver = (rejection: EarlyRejection) => void

/** Why bytes are rejected. */
interface Reason {
  statusCode: number
  /** The error code, `LEASTWISE_…`. */
  code: string
  message: string
}

/** Responses, by error code of Node's parser, for errors that have other reasons than a malformed request. */
const otherReasons: Record<string, Reason> = {
  ERR_HTTP_REQUEST_TIMEOUT: {
    statusCode: 408,
    code: 'LEASTWISE_REQUEST_TIMEOUT',
    message: 'the head of the request did not come in time',
  },
}
const largePart: Record<LargePart, Reason> = {
  line: {
    statusCode: 414,
    code: 'LEASTWISE_URI_TOO_LONG',
    message: 'the request line is too long',
  },
  fields: {
    statusCode: 431,
    code: 'LEASTWISE_HEAD_TOO_LARGE',
    message: 'the head of the request is too large',
  },
}
const malformedRequest = {
  statusCode: 400,
  code: 'LEASTWISE_MALFORMED_REQUEST',
  message: 'this is not an HTTP request',
}

/** Connections on which something was rejected; further bytes on them are ignored. */
const rejectedOn = new WeakSet<Socket>()

/** Time that a client has to notice the rejection. */
const LINGER_MS = 2000

type BodyRejection = Pick<EarlyRejection, 'statusCode' | 'code' | 'bytes'>

/** The rejection of each request that had begun when the rest of it turned out to be malformed. */
const bodyRejections = new WeakMap<object, BodyRejection>()

/**
 * The rejection of a request whose body was malformed, where the rejection was sent past the request's own response;
 * undefined for every other request.
 */
export function rejectionOf(request: object): BodyRejection | undefined {
  return bodyRejections.get(request)
}

/** Answers bytes that are not a request with an error in the usual shape, and closes the connection. */
export function rejectMalformed(error: ConnectionError, socket: Socket, observe?: RejectionObserver): void {
  // A client that leaves in the middle of a request does not wait for the responses to earlier requests either.
  const hasLeft = error.code === 'HPE_INVALID_EOF_STATE' && pendingOn(socket) > 0
  if (hasLeft || error.code === 'ECONNRESET' || socket.destroyed) {
    socket.destroy()
    return
  }
  // Bytes after a request with `Connection: close` are ignored, and that request gets its response.
  if (rejectedOn.has(socket) || (error.code === 'HPE_CLOSED_CONNECTION' && pendingOn(socket) > 0)) return
  const reject = (reason: Reason) => {
    if (!socket.destroyed) rejectFor(reason, socket, observe)
  }
  if (error.code === 'HPE_HEADER_OVERFLOW') findLargePart(error, socket, (part) => reject(largePart[part]))
  else reject(otherReasons[error.code] ?? malformedRequest)
}

function rejectFor(
  { statusCode, code, message }: Reason,
  socket: Socket,
  observe: RejectionObserver | undefined,
): void {
  if (rejectedOn.has(socket)) return
  rejectedOn.add(socket)
  const body = errorBody(statusCode, code, message)
  const peer = peerOf(socket)
  const bytes = body.length
  let requestId = makeRequestId()
  let isRecorded = false
  const reject = () => {
    if (!sendLast(socket, rawResponse(statusCode, requestId, body))) return
    if (!isRecorded) observe?.({ requestId, request: null, peer, statusCode, code, bytes })
  }
  rejectInOrder(socket, reject, (request) => {
    // The request itself is recorded, so the rejection is not reported a second time.
    isRecorded = true
    bodyRejections.set(request, { statusCode, code, bytes })
    requestId = String(request.headers[REQUEST_ID])
  })
}

/**
 * Answers CONNECT, to which Node would send nothing. The gateway does not support CONNECT, because it is a method of
 * forward proxies.
 */
export function rejectConnect(request: IncomingMessage, duplex: Duplex, observe?: RejectionObserver): void {
  const socket = duplex as Socket
  const requestId = chooseRequestId(request)
  const code = 'LEASTWISE_METHOD_NOT_ALLOWED'
  const body = errorBody(405, code, 'CONNECT is not passed on')
  adopt(socket, true)
  whenIdle(socket, () => {
    release(socket)
    if (!sendLast(socket, rawResponse(405, requestId, body, { allow }))) return
    observe?.({ requestId, request, peer: peerOf(socket), statusCode: 405, code, bytes: body.length })
  })
}

/** Answers an Expect field that asks for anything but 100-continue, RFC 9110 section 10.1.1. */
export function rejectExpectation(
  request: IncomingMessage,
  response: ServerResponse,
  observe?: RejectionObserver,
): void {
  const requestId = chooseRequestId(request)
  const code = 'LEASTWISE_EXPECTATION_FAILED'
  const body = errorBody(417, code, 'only 100-continue can be expected')
  const bytes = body.length
  const peer = peerOf(request.socket)
  response.once('finish', () => observe?.({ requestId, request, peer, statusCode: 417, code, bytes }))
  // The client may now send the body or leave it out, so the bytes that follow cannot be told from a next request.
  response.writeHead(417, fieldsOf(requestId, body)).end(body)
}

/** Sends the last bytes of a connection; returns false where the client has left. */
function sendLast(socket: Socket, text: string): boolean {
  if (!socket.writable) {
    socket.destroy()
    return false
  }
  lingeringClose(socket, { last: text, timeoutMs: LINGER_MS })
  return true
}

function rawResponse(statusCode: number, requestId: string, body: string, fields: Headers = {}): string {
  const statusLine = `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode]}`
  return rawHead(statusLine, { ...fields, ...fieldsOf(requestId, body) }) + body
}

function fieldsOf(requestId: string, body: string): Record<string, string> {
  return {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(body.length),
    [REQUEST_ID]: requestId,
    connection: 'close',
  }
}
