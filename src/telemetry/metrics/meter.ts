import type { FastifyInstance } from 'fastify'
import type { Balancer } from '../../balancer/balancer.js'
import type { PoolHandle } from '../../balancer/threads/messages.js'
import { PoolTable } from '../../balancer/threads/table.js'
import type { RequestObserver } from '../record.js'
import { reportEventLoop } from './event-loop-report.js'
import type { MeteredPool } from './family.js'
import { type MetricsRegistry, registerIn } from './metrics.js'
import { RequestCounters } from './request-counters.js'
import { SharedCounters } from './shared-counters.js'

export interface MeterOptions {
  /** Name of the pool. */
  name: string
  balancer: Balancer
  /** Registries that show the pool's metrics until the app closes. */
  registries: readonly MetricsRegistry[]
  /** The handle of a pool that another thread controls. If that thread counts, this one counts with it. */
  shared?: PoolHandle | undefined
}

const countersByPool = new WeakMap<Balancer, RequestCounters>()

/** The counters of a pool's requests; undefined where no registry shows them, so that nothing is counted. */
export function countersOf(balancer: Balancer): RequestCounters | undefined {
  return countersByPool.get(balancer)
}

/**
 * Counts the requests of a pool.
 * @returns the observer to call with each request; undefined where nobody asks for the counts, or no request comes
 */
export function meter(
  app: FastifyInstance,
  { name, balancer, registries, shared }: MeterOptions,
): RequestObserver | undefined {
  const common = shared ? SharedCounters.of(shared.table) : undefined
  if (registries.length === 0 && !common) return undefined
  const { workers } = balancer
  if (workers) {
    show(app, { name, balancer, counters: SharedCounters.allocate(workers.table).summed() }, registries)
    return undefined
  }
  const counters = new RequestCounters(shared && common?.memoryOf(shared.worker))
  countersByPool.set(balancer, counters)
  show(app, { name, balancer, counters: common?.summed() ?? counters }, registries)
  if (shared && common) {
    const own = new PoolTable(shared.table).pool.of(shared.worker, 0)
    const stop = reportEventLoop(own, balancer.clock)
    app.addHook('onClose', async () => stop())
  }
  return counters.observe
}

/** Shows the metrics of a pool in registries until the app closes. */
function show(app: FastifyInstance, pool: MeteredPool, registries: readonly MetricsRegistry[]): void {
  const leave = registries.map((registry) => registerIn(registry, pool))
  app.addHook('onClose', async () => {
    for (const unregister of leave) unregister()
  })
}
