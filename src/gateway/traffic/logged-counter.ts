import type { FastifyBaseLogger } from 'fastify'
import { systemClock } from '../../balancer/time/clock.js'
import { PatientCounter } from '../../limits/patient-counter.js'
import type { RateLimitCounter } from '../../limits/rate-limit-counter.js'

/** A request goes on uncounted after this time without a count. */
export const PATIENCE_MS = 250

/** Counts for the routes of a thread. When requests cannot be counted, and when they are counted again, is logged. */
export function loggedCounter(
  counter: RateLimitCounter,
  log: FastifyBaseLogger,
  patience = PATIENCE_MS,
): PatientCounter {
  return new PatientCounter({
    counter,
    clock: systemClock,
    patience,
    onUncounted: (err, requests) =>
      log.warn(
        { event: 'rate limit not counted', requests, err },
        'requests are not counted for rate limits',
      ),
    onCounted: (requests) =>
      log.info({ event: 'rate limit counted again', requests }, 'requests are counted for rate limits again'),
  })
}
