import type { Backend } from '../../balancer/backends/backend.js'
import type { RegistryEvents } from '../../balancer/backends/registry-options.js'
import type { Balancer } from '../../balancer/balancer.js'
import type { FleetChange } from '../../balancer/fleet/fleet-view.js'
import type { PolicyName } from '../../balancer/selection/policies/index.js'
import type { WorkerChange } from '../../balancer/threads/worker-change.js'
import type { PoolChange, PoolChangeType } from '../contract/pool-events.js'
import { statusOf } from '../fleet.js'
import { serverSentEvent } from './server-sent-event.js'

/** Number of changes that are kept for readers that connect again. */
const MAX_KEPT_CHANGES = 100

/** Makes a numbered event of every change of a pool, and keeps the latest 100 events. */
export class ChangeLog {
  readonly #balancer: Balancer
  readonly #onChange: (event: Buffer) => void
  readonly #kept: { id: number; event: Buffer }[] = []
  readonly #stop: (() => void)[] = []
  #lastId: number

  constructor(balancer: Balancer, onChange: (event: Buffer) => void) {
    this.#balancer = balancer
    this.#onChange = onChange
    // Ids start at the current time in milliseconds, so ids from before a restart are lower than all ids after it.
    this.#lastId = balancer.clock.date().getTime()
    for (const type of ['added', 'updated', 'draining', 'drained', 'activated', 'health', 'removed'] as const)
      this.#listen(type, (backend) => this.add(type, backend))
    this.#listen('cut', (backend, requests) => this.add('cut', backend, { requests }))
    this.#listen('panic', (panic) => this.add('panic', null, { panic }))
    const onPolicy = (policy: PolicyName) => this.add('policy', null, { policy })
    balancer.on('policy', onPolicy)
    this.#stop.push(() => balancer.off('policy', onPolicy))
    const status = statusOf(balancer)
    const onFleet = (fleet: FleetChange) =>
      this.add(fleet.type === 'store' ? 'store' : 'gateway', null, { fleet })
    status?.on('change', onFleet)
    this.#stop.push(() => status?.off('change', onFleet))
    const { workers } = balancer
    const onWorker = (worker: WorkerChange) => this.add('worker', null, { worker })
    workers?.on('change', onWorker)
    this.#stop.push(() => workers?.off('change', onWorker))
  }

  /** Returns the kept events with an id above this one, oldest first. */
  since(id: number): Buffer[] {
    return this.#kept.filter((kept) => kept.id > id).map(({ event }) => event)
  }

  /** Keeps a change, and hands it on. */
  add(type: PoolChangeType, backend: Backend | null, details: Partial<PoolChange> = {}): void {
    const id = ++this.#lastId
    const at = this.#balancer.clock.date().toISOString()
    const event = serverSentEvent('change', { at, type, backend: backend?.view() ?? null, ...details }, id)
    this.#kept.push({ id, event })
    if (this.#kept.length > MAX_KEPT_CHANGES) this.#kept.shift()
    this.#onChange(event)
  }

  close(): void {
    for (const stop of this.#stop.splice(0)) stop()
  }

  #listen<E extends keyof RegistryEvents>(type: E, listener: (...args: RegistryEvents[E]) => void): void {
    const { registry } = this.#balancer
    // biome-ignore lint/suspicious/noExplicitAny: the types of registry.on() cannot express a generic event name
    registry.on(type, listener as any)
    // biome-ignore lint/suspicious/noExplicitAny: the types of registry.off() cannot express a generic event name
    this.#stop.push(() => registry.off(type, listener as any))
  }
}
