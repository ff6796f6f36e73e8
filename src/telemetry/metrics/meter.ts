import type { FastifyInstance } from 'fastify'
import type { Balancer } from '../../balancer/balancer.js'
import type { RequestObserver } from '../record.js'
import { type MetricsRegistry, registerIn } from './metrics.js'
import { RequestCounters } from './request-counters.js'

export interface MeterOptions {
  /** Name of the pool. */
  name: string
  balancer: Balancer
  /** Registries that show the pool's metrics until the app closes. */
  registries: readonly MetricsRegistry[]
}

const countersByPool = new WeakMap<Balancer, RequestCounters>()

/** The counters of a pool's requests; undefined where no registry shows them, so that nothing is counted. */
export function countersOf(balancer: Balancer): RequestCounters | undefined {
  return countersByPool.get(balancer)
}

/** Counts the requests of a pool. @returns the observer to call with each request */
export function meter(app: FastifyInstance, { name, balancer, registries }: MeterOptions): RequestObserver {
  const counters = new RequestCounters()
  countersByPool.set(balancer, counters)
  const leave = registries.map((registry) => registerIn(registry, { name, balancer, counters }))
  app.addHook('onClose', async () => {
    for (const unregister of leave) unregister()
  })
  return counters.observe
}
