import type { FastifyBaseLogger } from 'fastify'
import type { Balancer } from '../balancer/balancer.js'
import { exhaustionLog } from '../telemetry/exhaustion-log.js'

export interface GuardedPool {
  name: string
  log: FastifyBaseLogger
  /** Closes idle connections of clients, where file descriptors have run out. */
  closeIdleClients(): void
}

/**
 * Returns what handles the failed attempts of a pool: where the process itself has run out of a resource, that is logged,
 * and descriptors are freed.
 */
export function exhaustionGuard(
  { name, log, closeIdleClients }: GuardedPool,
  { clock, observerGuard }: Balancer,
): (error: Error) => void {
  const logExhaustion = exhaustionLog(log, clock, name)
  return (error) =>
    observerGuard.call(() => {
      // Idle clients hold descriptors that clients which wait for a backend need.
      if (logExhaustion(error)) closeIdleClients()
    })
}
