import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyError, FastifyReply } from 'fastify'
import type { ProxyContext } from '../context.js'
import type { Headers } from '../http/fields.js'

/** What measures how long a client is silent. */
export interface IdleTimer {
  setTimeout(milliseconds: number): unknown
  /** Bytes that the client has yet to read. */
  readonly writableLength: number
}

/**
 * Everything that depends on the version of HTTP that a client speaks. There is one implementation for HTTP/1 and one
 * for HTTP/2, neither with any state; `protocolOf` tells which one is a request's.
 */
export interface ClientProtocol {
  /** Whether a request has a body. */
  hasBody(request: IncomingMessage): boolean
  /** What is wrong with the framing of a request, although Node's parser accepted it; undefined for nothing. */
  framingFault(request: IncomingMessage): FastifyError | undefined
  /** Notes a request when its head has come, so that its place among those on its connection is known. */
  arrived(request: IncomingMessage, response: ServerResponse): void
  /** Calls `begin` once no earlier request on the connection holds this one up; never if the connection closes first. */
  onTurn(request: IncomingMessage, response: ServerResponse, begin: () => void): void

  /** The timer of a client's connection, or of its stream; any byte that passes starts it anew. */
  idleTimer(request: IncomingMessage): IdleTimer
  /** Calls `callback` whenever that timer runs out. */
  onIdle(request: IncomingMessage, response: ServerResponse, callback: () => void): void
  /** Closes the client's connection, or resets its stream. */
  cut(request: IncomingMessage): void

  /** Sends an informational response, 1xx, unless this client cannot be sent one now. */
  inform(request: IncomingMessage, response: ServerResponse, statusCode: number, headers: Headers): void
  /** Breaks off a response that will not be completed, so that the client does not take it for a whole one. */
  breakOff(request: IncomingMessage, response: ServerResponse): void
  /**
   * Fits the fields of a backend's response to what this client can be sent, and stops an upload that goes on.
   * @param headers changed in place
   * @param isClosing whether the gateway is shutting down, and no connection should be used again
   */
  fitHead(reply: FastifyReply, context: ProxyContext, headers: Headers, isClosing: boolean): void
  /** Takes back the part of a response's head that is no field: its reason phrase. */
  dropReason(reply: FastifyReply): void
  /**
   * Stops an upload that goes on while its response is an error, as nobody reads the rest.
   * @param endsConnection whether nothing else that the client sends on this connection is to be trusted
   */
  stopUpload(reply: FastifyReply, endsConnection: boolean): void
  /** Tells the client that its connection closes with this response, if it has sent no further request on it. */
  announceClose(reply: FastifyReply): void
}
