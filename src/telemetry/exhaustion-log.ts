import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../balancer/time/clock.js'
import { exhaustionOf } from '../proxy/upstream/failures/exhaustion.js'

/** Shortest time between two log lines about the same resource. */
const LINE_INTERVAL_MS = 60_000

/**
 * Logs that the process has run out of file descriptors, ports or memory: once a minute for each resource, and not once
 * for each request.
 * @returns a function to call with every error on the way to backends; it returns whether the error is one of these
 */
export function exhaustionLog(log: FastifyBaseLogger, clock: Clock, pool: string): (error: Error) => boolean {
  /** When each code was logged last, in monotonic milliseconds. */
  const loggedAt = new Map<string, number>()
  return (error) => {
    const exhaustion = exhaustionOf(error)
    if (!exhaustion) return false
    const { code, missing, setting } = exhaustion
    const now = clock.now()
    if (now - (loggedAt.get(code) ?? Number.NEGATIVE_INFINITY) < LINE_INTERVAL_MS) return true
    loggedAt.set(code, now)
    const limit = exhaustion.limit()
    const reached = limit === null ? setting : `${setting} is ${limit}`
    log.error(
      { pool, event: 'own lack', code, limit, setting },
      `no ${missing} (${code}; ${reached}): requests that need a new connection to a backend are answered 503`,
    )
    return true
  }
}
