import type { Metric, Registry } from 'prom-client'
import { backendFamilies } from './backend-families.js'
import type { Family, MeteredPool, Sample } from './family.js'
import { fleetFamilies, showFleet } from './fleet-families.js'
import { poolFamilies } from './pool-families.js'
import { workerFamilies } from './worker-families.js'

/** A metric of prom-client's registry that counts nothing itself: its lines are made when the registry asks for them. */
export class FamilyMetric<T = unknown> {
  readonly name: string
  readonly help: string
  readonly type: Family['type']
  readonly aggregator = 'sum'
  /** What has lines: pools, or the routes of a gateway. */
  readonly sources = new Set<T>()
  readonly #of: Family<T>['of']

  constructor({ name, help, type, of }: Family<T>) {
    this.name = name
    this.help = help
    this.type = type
    this.#of = of
  }

  /** All lines, in groups that belong together. */
  *groups(): Generator<Sample[]> {
    for (const source of this.sources) yield* this.#of(source)
  }

  /** Called by the registry when a page is requested. */
  async getForPromString() {
    return this.#with([...this.groups()].flat())
  }

  /** Called by the registry for every other purpose. */
  async get() {
    const flat = ({ sharedLabels, labels, ...rest }: Sample) => ({
      ...rest,
      labels: { ...sharedLabels, ...labels },
    })
    return this.#with([...this.groups()].flat().map(flat))
  }

  /** Called when a registry is reset. It changes nothing, because the counters belong to the pool. */
  reset(): void {}

  #with<V>(values: V[]) {
    const { name, help, type, aggregator } = this
    return { name, help, type, aggregator, values }
  }
}

/** The methods of a registry that a pool uses. */
export type MetricsRegistry = Pick<Registry, 'registerMetric' | 'getSingleMetric'>

/**
 * Puts the metrics of a pool into a registry, beside those of other pools.
 * @returns a function that removes the metrics from the registry
 */
export function registerIn(registry: MetricsRegistry, pool: MeteredPool): () => void {
  const hide = showFleet(pool)
  const ofWorkers = pool.balancer.workers ? workerFamilies : []
  const ofFleet = hide ? fleetFamilies : []
  const metrics = [...backendFamilies, ...poolFamilies, ...ofWorkers, ...ofFleet].map((family) =>
    metricIn(registry, family),
  )
  for (const { sources } of metrics) sources.add(pool)
  return () => {
    hide?.()
    for (const { sources } of metrics) sources.delete(pool)
  }
}

/** Returns the metric of a family in a registry, which is added where it is not there yet. */
export function metricIn<T>(registry: MetricsRegistry, family: Family<T>): FamilyMetric<T> {
  const known: unknown = registry.getSingleMetric(family.name)
  if (known instanceof FamilyMetric) return known as FamilyMetric<T>
  const metric = new FamilyMetric(family)
  // The library's type of a metric is one of its own classes, but its registry calls only methods that this class has.
  registry.registerMetric(metric as unknown as Metric)
  return metric
}
