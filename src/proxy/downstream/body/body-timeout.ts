import type { IncomingMessage } from 'node:http'
import { constants, type Http2ServerRequest } from 'node:http2'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { systemClock } from '../../../balancer/time/clock.js'
import { contextOf } from '../../context.js'
import { RequestTimeoutError } from '../errors/errors.js'

/**
 * Ends requests of clients that stall: that do not go on with a body that is being read, or do not read what
 * was written, for as long as `timeout` milliseconds. A client that waits for a backend is not one of them, nor one
 * that reads a quiet stream, whether or not it has sent all of its own.
 * (The time is that of the connection, or the stream of HTTP/2, and any byte that passes starts it anew.)
 */
export function watchClient(request: FastifyRequest, reply: FastifyReply, timeout: number): void {
  const raw = request.raw as IncomingMessage | Http2ServerRequest
  const link = 'stream' in raw ? raw.stream : raw.socket
  // `inject` has none that could stall.
  if (!('setTimeout' in link)) return
  const cut = () => {
    if ('stream' in raw) raw.stream.close(constants.NGHTTP2_CANCEL)
    else raw.socket.destroy()
  }
  link.setTimeout(timeout)
  let { stoodStill } = systemClock
  const emitter = 'stream' in raw ? raw.stream : reply.raw
  emitter.on('timeout', () => {
    systemClock.now()
    if (stoodStill !== systemClock.stoodStill) {
      // It was the process that did not go on; what the client sent meanwhile may be yet to be read.
      stoodStill = systemClock.stoodStill
      link.setTimeout(timeout)
    } else if (!raw.complete && raw.readableFlowing && !contextOf(request)?.isQuiet) {
      if (reply.raw.headersSent) cut()
      else reply.send(new RequestTimeoutError())
    } else if (link.writableLength > 0) {
      cut()
    } else {
      // It fires once; the client's turn may be yet to come.
      link.setTimeout(timeout)
    }
  })
}
