import type { FastifyInstance } from 'fastify'
import type { Balancer } from '../../balancer/balancer.js'
import type { RequestObserver } from '../record.js'
import { type MetricsRegistry, registerIn } from './metrics.js'
import { RequestCounters } from './request-counters.js'

export interface MeterOptions {
  /** Of the pool. */
  name: string
  balancer: Balancer
  /** Where its metrics are to be had until the app closes. */
  registries: readonly MetricsRegistry[]
}

const countersByPool = new WeakMap<Balancer, RequestCounters>()

/** The counters of a pool's requests; undefined where nobody can ask for them, and nothing is counted. */
export function countersOf(balancer: Balancer): RequestCounters | undefined {
  return countersByPool.get(balancer)
}

/** Counts the requests of a pool. @returns the observer that is to be told of each request */
export function meter(app: FastifyInstance, { name, balancer, registries }: MeterOptions): RequestObserver {
  const counters = new RequestCounters()
  countersByPool.set(balancer, counters)
  const leave = registries.map((registry) => registerIn(registry, { name, balancer, counters }))
  app.addHook('onClose', async () => {
    for (const unregister of leave) unregister()
  })
  return counters.observe
}
