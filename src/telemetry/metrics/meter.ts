import type { Balancer } from '../../balancer/balancer.js'
import type { PoolHandle } from '../../balancer/threads/messages.js'
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
  /** Registries that show the pool's metrics. */
  registries: readonly MetricsRegistry[]
  /** The handle of a pool that another thread controls. If that thread counts, this one counts with it. */
  shared?: PoolHandle | undefined
}

const countersByPool = new WeakMap<Balancer, RequestCounters>()

/** The counters of a pool's requests; undefined where no registry shows them, so that nothing is counted. */
export function countersOf(balancer: Balancer): RequestCounters | undefined {
  return countersByPool.get(balancer)
}

export interface Meter {
  /** The observer to call with each request; undefined where nobody asks for the counts, or no request comes. */
  observe: RequestObserver | undefined
  /** Takes the metrics of the pool out of the registries. */
  stop(): void
}

/** Counts the requests of a pool. */
export function meter({ name, balancer, registries, shared }: MeterOptions): Meter {
  const { workers, table } = balancer
  const common = shared && table ? SharedCounters.of(table) : undefined
  if (registries.length === 0 && !common) return { observe: undefined, stop() {} }
  if (workers) {
    const counters = SharedCounters.allocate(workers.table).summed()
    return { observe: undefined, stop: show({ name, balancer, counters }, registries) }
  }
  const counters = new RequestCounters(shared && common?.memoryOf(shared.worker))
  countersByPool.set(balancer, counters)
  const leave = show({ name, balancer, counters: common?.summed() ?? counters }, registries)
  if (!shared || !table || !common) return { observe: counters.observe, stop: leave }
  const own = table.pool.of(shared.worker, 0)
  const stopReports = reportEventLoop(own, balancer.clock)
  return {
    observe: counters.observe,
    stop() {
      stopReports()
      leave()
    },
  }
}

/** Shows the metrics of a pool in registries. @returns a function that takes them out again */
function show(pool: MeteredPool, registries: readonly MetricsRegistry[]): () => void {
  const leave = registries.map((registry) => registerIn(registry, pool))
  return () => {
    for (const unregister of leave) unregister()
  }
}
