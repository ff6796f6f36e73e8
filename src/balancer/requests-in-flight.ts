import type { Registry } from './backends/registry.js'
import type { WaitQueue } from './leases/wait-queue.js'
import type { ObserverGuard } from './observer-guard.js'
import type { PoolWorkers } from './threads/pool-workers.js'
import type { Clock } from './time/clock.js'

/** Interval between two looks at whether requests are in flight: other threads do not tell when theirs end. */
const LOOK_INTERVAL_MS = 50

/** The parts of a pool that have its requests. */
interface ServingParts {
  readonly clock: Clock
  readonly registry: Registry
  readonly queue: WaitQueue
  readonly workers: PoolWorkers | undefined
}

/**
 * Waits until no request is in flight, not even on a backend that was removed, and none waits.
 * @param timeout milliseconds
 * @returns false if there are requests still after that time
 */
export function untilIdle({ clock, registry, queue }: ServingParts, timeout: number): Promise<boolean> {
  const deadline = clock.now() + timeout
  return new Promise((resolve) => {
    const look = () => {
      const left = deadline - clock.now()
      if (registry.inFlight + queue.length + registry.lingering.list.length === 0) resolve(true)
      else if (left <= 0) resolve(false)
      else clock.after(Math.min(LOOK_INTERVAL_MS, left), look)
    }
    look()
  })
}

/** Cuts the requests that this thread has in flight. */
export function cutAll({ registry }: ServingParts, reason: Error, guard: ObserverGuard): void {
  for (const { leases } of [...registry.list(), ...registry.lingering.list]) leases.cutAll(reason, guard)
}

/** Cuts the requests that other threads have in flight. */
export function cutElsewhere({ registry, workers }: ServingParts, why: string): void {
  for (const backend of registry.list()) workers?.cut(backend, why)
  // A question to the workers sends what they were not told yet.
  workers?.whenKnown(() => {})
}
