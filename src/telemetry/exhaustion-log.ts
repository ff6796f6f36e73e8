import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../balancer/time/clock.js'
import { exhaustionOf } from '../proxy/upstream/failures/exhaustion.js'

/** Milliseconds between two lines about the same lack. */
const LINE_INTERVAL_MS = 60_000

/**
 * Logs what the gateway itself has run out of, once a minute and not for each request.
 * @returns a function that is called with every error between the gateway and its backends, and says whether it is one of these
 */
export function exhaustionLog(log: FastifyBaseLogger, clock: Clock, pool: string): (error: Error) => boolean {
  const said = new Map<string, number>()
  return (error) => {
    const lack = exhaustionOf(error)
    if (!lack) return false
    const { code, what, setting } = lack
    const now = clock.now()
    if (now - (said.get(code) ?? Number.NEGATIVE_INFINITY) < LINE_INTERVAL_MS) return true
    said.set(code, now)
    const limit = lack.limit()
    const reached = limit === null ? setting : `${setting} is ${limit}`
    log.error(
      { pool, event: 'own lack', code, limit, setting },
      `no ${what} (${code}; ${reached}): requests that need a new connection to a backend are answered 503`,
    )
    return true
  }
}
