import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ConnectionError } from 'fastify'
import { isUnanswered, openOn } from './exchange.js'
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

/** Answers what is no request, in the shape of every other error, and closes the connection. */
export function refuseMalformed(error: ConnectionError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  // What follows a request that said it was the last. It is not heard; the answer to the request is on its way.
  if (error.code === 'HPE_CLOSED_CONNECTION' && openOn(socket) > 0) return
  const { statusCode, code, message } = reasons[error.code] ?? {
    statusCode: 400,
    code: 'LEASTWISE_MALFORMED_REQUEST',
    message: 'this is not an HTTP request',
  }
  // Not into the middle of an answer.
  if (socket.writable && isUnanswered(socket)) socket.write(response(statusCode, code, message))
  socket.destroy(error)
}

/** Answers CONNECT, which is for proxies of another kind, and which Node would leave without an answer. */
export function refuseConnect(_request: unknown, socket: Duplex): void {
  socket.on('error', () => {})
  socket.end(response(405, 'LEASTWISE_METHOD_NOT_ALLOWED', 'CONNECT is not passed on', `allow: ${allow}\r\n`))
}

function response(statusCode: number, code: string, message: string, fields = ''): string {
  const error = STATUS_CODES[statusCode]
  const body = JSON.stringify({ statusCode, code, error, message })
  return (
    `HTTP/1.1 ${statusCode} ${error}\r\n${fields}content-type: application/json; charset=utf-8\r\n` +
    `content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`
  )
}
