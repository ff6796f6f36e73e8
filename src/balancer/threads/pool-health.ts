import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import { Ejection } from '../health/ejection.js'
import { HalfOpenProbes } from '../health/half-open-probes.js'
import type { EjectionOptions, PassiveHealth } from '../health/passive-health.js'
import type { LocalMemory } from '../memory.js'
import type { Clock } from '../time/clock.js'
import { ControlHealth } from './control-health.js'
import { ControlProbes } from './control-probes.js'
import type { WorkerMessage } from './messages.js'
import type { ReplicaRegistry } from './replica-registry.js'
import type { SharedMemory } from './shared-memory.js'
import { WorkerEjection } from './worker-ejection.js'
import { WorkerProbes } from './worker-probes.js'

/** What passive health works with. */
export interface HealthParts {
  readonly memory: LocalMemory | SharedMemory
  readonly registry: Registry
  /** The registry of a worker; undefined in a thread that other threads follow, and where there is one thread. */
  readonly replica: ReplicaRegistry | undefined
  readonly clock: Clock
  /** Called when a backend begins to wait for a request that probes it, in a pool of one thread. */
  onProbeDue(): void
  /** Tells the control plane, in a worker. */
  tell(message: WorkerMessage): void
}

/** The passive health of a pool in this thread. */
export interface PoolHealth {
  readonly ejection: PassiveHealth
  /** Hears what workers tell; undefined in every thread but the control plane. */
  readonly control: ControlHealth | undefined
}

/** Makes the passive health of a pool: of one thread, of a control plane, or of a worker. */
export function poolHealth(options: EjectionOptions, parts: HealthParts): PoolHealth {
  const { memory, registry, replica, clock } = parts
  if (!memory.isShared) {
    const probes = new HalfOpenProbes(registry, clock, options.base, () => parts.onProbeDue())
    return { ejection: new Ejection(registry, options, clock, probes), control: undefined }
  }
  const pool = { table: memory.table, registry, clock, baseMs: options.base }
  if (!replica || memory.worker === undefined) {
    const probes = new ControlProbes(pool)
    const ejection = new Ejection(registry, options, clock, probes)
    return { ejection, control: new ControlHealth(ejection, probes, registry) }
  }
  const onStart = ({ row }: Backend) => parts.tell({ kind: 'probing', row })
  const limit = options.maxPercent === 0 ? Number.POSITIVE_INFINITY : options.consecutive
  const ejection = new WorkerEjection(
    limit,
    clock,
    new WorkerProbes(pool, memory.worker, onStart),
    parts.tell,
  )
  replica.onEjection = (backend) => ejection.changed(backend)
  return { ejection, control: undefined }
}
