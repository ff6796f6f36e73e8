import type { FastifyReply, FastifyRequest } from 'fastify'
import { systemClock } from '../../../balancer/time/clock.js'
import { contextOf } from '../../context.js'
import { downstreamOf } from '../downstream.js'
import { RequestTimeoutError } from '../errors/errors.js'
import { protocolOf } from '../protocol-of.js'

/**
 * Ends requests of clients that stall for `timeout` milliseconds: clients that send no more of a body which is being
 * read, or that do not read what was written to them. A client that waits for a backend does not stall. A client that
 * reads a quiet stream does not stall either, whether or not it has sent its whole body.
 */
export function limitSilence(request: FastifyRequest, reply: FastifyReply, timeout: number): void {
  const { raw, server } = request
  // The app may have set a shorter timeout for its connections.
  const own = 'timeout' in server.server ? server.server.timeout : 0
  if (own !== 0 && own <= timeout) return
  const protocol = protocolOf(raw)
  const timer = protocol.idleTimer(raw)
  // The socket that `inject` makes has no timer.
  if (!('setTimeout' in timer)) return
  timer.setTimeout(timeout)
  let { stoodStill } = systemClock
  protocol.onIdle(raw, reply.raw, () => {
    systemClock.now()
    if (stoodStill !== systemClock.stoodStill) {
      // The process was suspended, and what the client sent meanwhile may not have been read yet.
      stoodStill = systemClock.stoodStill
      timer.setTimeout(timeout)
    } else if (!raw.complete && isAwaited(request) && !contextOf(request)?.isQuiet) {
      if (reply.raw.headersSent) protocol.cut(raw)
      else downstreamOf(request)?.inContext(refuse, reply)
    } else if (timer.writableLength > 0) {
      protocol.cut(raw)
    } else {
      // The timer fires only once, and the client may stall later.
      timer.setTimeout(timeout)
    }
  })
}

function refuse(reply: FastifyReply): void {
  reply.send(new RequestTimeoutError())
}

/** Whether somebody waits for the client to send more of a body. */
function isAwaited(request: FastifyRequest): boolean {
  return request.raw.readableFlowing === true || downstreamOf(request)?.isReadingAhead === true
}
