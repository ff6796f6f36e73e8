import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyError, FastifyReply } from 'fastify'
import type { ProxyContext } from '../context.js'
import type { Headers } from '../http/fields.js'

/** A timer that measures how long a client is silent. */
export interface IdleTimer {
  setTimeout(milliseconds: number): unknown
  /** Bytes that the client has yet to read. */
  readonly writableLength: number
}

/**
 * Everything that depends on the HTTP version that a client speaks. There is one implementation for HTTP/1 and one for
 * HTTP/2. Neither has any state, and `protocolOf` returns the one for a request.
 */
export interface ClientProtocol {
  /** Whether a request has a body. */
  hasBody(request: IncomingMessage): boolean
  /** Whether all of a request's body has come, although it may not have been read. */
  hasAll(request: IncomingMessage): boolean
  /** Finds a fault in the framing of a request that Node's parser accepted; undefined where there is none. */
  framingFault(request: IncomingMessage): FastifyError | undefined
  /** Records a request when its head has come, so that its position among the requests of its connection is known. */
  arrived(request: IncomingMessage, response: ServerResponse): void
  /**
   * Calls `begin` once the request does not have to wait for earlier ones on its connection; never if the connection
   * closes first.
   */
  onTurn(request: IncomingMessage, response: ServerResponse, begin: () => void): void

  /** The timer of a client's connection, or of its stream; every byte that is received or sent restarts the timer. */
  idleTimer(request: IncomingMessage): IdleTimer
  /** Calls `callback` whenever that timer runs out. */
  onIdle(request: IncomingMessage, response: ServerResponse, callback: () => void): void
  /** Calls `callback` when all of a response was written, unless the client leaves before. */
  onWritten(request: IncomingMessage, response: ServerResponse, callback: () => void): void
  /** Closes the client's connection, or resets its stream. */
  cut(request: IncomingMessage): void

  /** Sends an informational response, 1xx, unless this client cannot receive one now. */
  inform(request: IncomingMessage, response: ServerResponse, statusCode: number, headers: Headers): void
  /** Breaks off a response that will not be completed, so that the client sees that it is incomplete. */
  breakOff(request: IncomingMessage, response: ServerResponse): void
  /**
   * Adapts the fields of a backend's response to what this client can receive, and stops an upload that goes on.
   * @param headers changed in place
   * @param isClosing whether the gateway is shutting down, and no connection should be used again
   */
  fitHead(reply: FastifyReply, context: ProxyContext, headers: Headers, isClosing: boolean): void
  /** Adds trailers to a response that is about to end. @param trailers may be changed */
  addTrailers(response: ServerResponse, trailers: Headers): void
  /** Removes the reason phrase that was set for a response, the only part of its head that is not a field. */
  dropReason(reply: FastifyReply): void
  /**
   * Stops an upload that goes on while its response is an error, because nothing reads the rest.
   * @param endsConnection whether the gateway must not trust anything else that the client sends on this connection
   */
  stopUpload(reply: FastifyReply, endsConnection: boolean): void
  /**
   * Tells the client that its connection closes with this response, if the client has sent no further request on it.
   */
  announceClose(reply: FastifyReply): void
}
