import type { FastifyInstance } from 'fastify'
import type { Balancer } from '../../balancer/balancer.js'
import type { RequestObserver } from '../record.js'
import { type MetricsRegistry, registerIn } from './metrics.js'
import { RequestCounters } from './request-counters.js'

export interface MeterOptions {
  /** The pool's. */
  name: string
  balancer: Balancer
  /** Where its metrics are to be had until the app closes. */
  registries: readonly MetricsRegistry[]
}

const tallies = new WeakMap<Balancer, RequestCounters>()

/** What the requests of a pool are counted with; undefined where they are not. */
export function countersOf(balancer: Balancer): RequestCounters | undefined {
  return tallies.get(balancer)
}

/** Counts the requests of a pool. @returns to be told of each of them */
export function meter(app: FastifyInstance, { name, balancer, registries }: MeterOptions): RequestObserver {
  const tally = new RequestCounters()
  tallies.set(balancer, tally)
  const leave = registries.map((registry) => registerIn(registry, { name, balancer, tally }))
  app.addHook('onClose', async () => {
    for (const take of leave) take()
  })
  return tally.observe
}
