import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ConnectionError } from 'fastify'
import { letGo, takeOver, whenIdle } from './detached.js'
import { errorBody } from './errors.js'
import { endWith, openOn } from './exchange.js'
import { allow } from './methods.js'

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

/** Connections that were refused; what still comes on them is not looked at. */
const refused = new WeakSet<Socket>()
/** Milliseconds that a client has to notice. Closed at once, with bytes unread, it could lose the answer. */
const LINGER = 2000

/** Answers what is no request, in the shape of every other error, and closes the connection. */
export function refuseMalformed(error: ConnectionError, socket: Socket): void {
  // A client that leaves in the middle of a request does not wait for the answers to those before, either.
  const left = error.code === 'HPE_INVALID_EOF_STATE' && openOn(socket) > 0
  if (left || error.code === 'ECONNRESET' || socket.destroyed) {
    socket.destroy()
    return
  }
  // What follows a request that said it was the last. It is not heard; the answer to the request is on its way.
  if (refused.has(socket) || (error.code === 'HPE_CLOSED_CONNECTION' && openOn(socket) > 0)) return
  refused.add(socket)
  const { statusCode, code, message } = reasons[error.code] ?? {
    statusCode: 400,
    code: 'LEASTWISE_MALFORMED_REQUEST',
    message: 'this is not an HTTP request',
  }
  endWith(socket, () => close(socket, response(statusCode, code, message)))
}

/** Answers CONNECT, which is for proxies of another kind, and which Node would leave without an answer. */
export function refuseConnect(_request: unknown, duplex: Duplex): void {
  const socket = duplex as Socket
  const answer = response(
    405,
    'LEASTWISE_METHOD_NOT_ALLOWED',
    'CONNECT is not passed on',
    `allow: ${allow}\r\n`,
  )
  takeOver(socket, true)
  whenIdle(socket, () => {
    letGo(socket)
    close(socket, answer)
  })
}

/** Answers an Expect that nobody here can meet, RFC 9110 section 10.1.1. */
export function refuseExpectation(_request: IncomingMessage, reply: ServerResponse): void {
  const body = errorBody(417, 'LEASTWISE_EXPECTATION_FAILED', 'only 100-continue can be expected')
  const type = 'application/json; charset=utf-8'
  // Whoever expects something may send what he likes now, or nothing.
  reply.writeHead(417, { 'content-type': type, 'content-length': body.length, connection: 'close' }).end(body)
}

function close(socket: Socket, answer: string): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  socket.end(answer)
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), LINGER)
  socket.once('end', () => socket.destroy())
  socket.once('close', () => clearTimeout(timer))
}

function response(statusCode: number, code: string, message: string, fields = ''): string {
  const body = errorBody(statusCode, code, message)
  return (
    `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode]}\r\n${fields}content-type: application/json; charset=utf-8\r\n` +
    `content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`
  )
}
