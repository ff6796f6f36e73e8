import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import type { PoolCounts } from './counts-exchange.js'
import { ElsewhereCounts, type ElsewhereSink } from './elsewhere-counts.js'
import type { PoolFleet } from './pool-fleet.js'
import { PoolSlots, type SlottedPool } from './pool-slots.js'

/** The parts of a pool that its fleet has to do with. */
export interface FleetPoolParts extends SlottedPool {
  readonly registry: Pick<Registry, 'list' | 'eligible' | 'on' | 'off'>
  readonly loadElsewhere: ElsewhereSink
}

/** A pool's part among the gateways that share its store: it tells and hears how many requests are in flight, and has its slots. */
export class FleetPool {
  readonly #registry: FleetPoolParts['registry']
  readonly #elsewhere: ElsewhereCounts
  readonly #leave: () => void
  /** The slots of backends whose `maxConnections` holds for all gateways together. */
  readonly slots: PoolSlots

  constructor(parts: FleetPoolParts, fleet: PoolFleet) {
    const { registry, clock, loadElsewhere } = parts
    this.#registry = registry
    this.#elsewhere = new ElsewhereCounts(clock, loadElsewhere)
    this.#leave = fleet.counts.join({
      counts: () => countsOf(registry.list()),
      heard: (counts) => this.#elsewhere.heard(counts),
      left: (gateway) => this.#elsewhere.left(gateway),
    })
    registry.on('added', this.#added)
    this.slots = new PoolSlots(fleet.slots, parts)
  }

  /** Leaves the other gateways, whose counts do not matter any more. */
  close(): void {
    this.#registry.off('added', this.#added)
    this.#leave()
    this.#elsewhere.close()
    void this.slots.close()
  }

  /** Others may have requests on a backend before it is registered here. */
  readonly #added = ({ url }: Backend): void => this.#elsewhere.again(url)
}

/** Returns what is in flight on registered backends, also on those that leave. */
function countsOf(backends: readonly Backend[]): PoolCounts {
  const counts = { inFlight: new Map<string, number>(), quiet: new Map<string, number>() }
  for (const backend of backends) {
    const { url, inFlight } = backend
    if (inFlight === 0) continue
    counts.inFlight.set(url, inFlight)
    const quiet = inFlight - backend.ownLoad
    if (quiet > 0) counts.quiet.set(url, quiet)
  }
  return counts
}
