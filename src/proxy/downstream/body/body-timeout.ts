import type { FastifyReply, FastifyRequest } from 'fastify'
import { systemClock } from '../../../balancer/time/clock.js'
import { contextOf } from '../../context.js'
import { RequestTimeoutError } from '../errors/errors.js'
import { protocolOf } from '../protocol-of.js'

/**
 * Ends requests of clients that stall: that do not go on with a body which is being read, or do not read what was
 * written, for `timeout` milliseconds. A client that waits for a backend does not stall, nor does one that reads a quiet
 * stream, whether or not it has sent its whole body.
 */
export function limitSilence(request: FastifyRequest, reply: FastifyReply, timeout: number): void {
  const { raw, server } = request
  // The app may have given its connections a shorter time.
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
    } else if (!raw.complete && raw.readableFlowing && !contextOf(request)?.isQuiet) {
      if (reply.raw.headersSent) protocol.cut(raw)
      else reply.send(new RequestTimeoutError())
    } else if (timer.writableLength > 0) {
      protocol.cut(raw)
    } else {
      // The timer runs out once, and it may be the client's turn later.
      timer.setTimeout(timeout)
    }
  })
}
