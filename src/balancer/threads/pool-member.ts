import type { Backend } from '../backends/backend.js'
import type { Clock } from '../time/clock.js'
import type { PoolHandle, PoolUpdate, WorkerMessage } from './messages.js'
import type { ReplicaRegistry } from './replica-registry.js'
import { type PoolTable, poolColumn } from './table.js'

/** Interval in which a worker shows that its event loop turns. */
const BEAT_INTERVAL_MS = 500

/** The parts of a worker's pool that follow the control plane. */
export interface FollowingPool {
  readonly registry: ReplicaRegistry
  readonly clock: Clock
  usePolicy(name: string): void
  /** Earlier failures of the backend no longer count. */
  renewed(backend: Backend): void
}

/** A worker's part in a pool that threads share: it applies the updates of the control plane. */
export class PoolMember {
  readonly #handle: PoolHandle
  readonly #pool: FollowingPool
  readonly #own: Float64Array
  #cancelBeat = () => {}

  constructor(handle: PoolHandle, table: PoolTable, pool: FollowingPool) {
    this.#handle = handle
    this.#pool = pool
    this.#own = table.pool.of(handle.worker, 0)
    pool.registry.onIdle = ({ row }) => this.tell({ kind: 'idle', row })
    pool.registry.batch(() => {
      for (const known of handle.backends) pool.registry.follow(known)
    })
    this.#beat()
  }

  /** Begins to follow the control plane. It is called once the pool is complete. */
  start(): void {
    const { port, revision } = this.#handle
    port.on('message', (update: PoolUpdate) => this.#apply(update))
    port.unref()
    this.tell({ kind: 'applied', revision })
  }

  tell(message: WorkerMessage): void {
    this.#handle.port.postMessage(message)
  }

  close(): void {
    this.#cancelBeat()
    this.#handle.port.close()
  }

  #apply({ revision, changes }: PoolUpdate): void {
    const { registry, usePolicy, renewed } = this.#pool
    for (const change of changes) {
      if (change.kind === 'backend') registry.follow(change.backend)
      else if (change.kind === 'removed') registry.leave(change.row)
      else if (change.kind === 'cut') registry.cut(change.row, change.why)
      else if (change.kind === 'policy') usePolicy(change.name)
      else {
        const backend = registry.at(change.row)
        if (backend) renewed(backend)
      }
    }
    this.tell({ kind: 'applied', revision })
  }

  #beat(): void {
    this.#own[poolColumn.beat] = (this.#own[poolColumn.beat] as number) + 1
    this.#cancelBeat = this.#pool.clock.after(BEAT_INTERVAL_MS, () => this.#beat())
  }
}
