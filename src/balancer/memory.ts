import { type HealthMemory, LocalHealth } from './health/health-memory.js'
import { type LoadCounter, LocalLoadCounter } from './leases/load-counter.js'
import { Latency } from './stats/latency.js'
import { refusalCodes } from './stats/refusals.js'
import { ResponseTime } from './stats/response-time.js'
import { SlidingCount } from './stats/sliding-count.js'
import type { Clock } from './time/clock.js'

/** The counts and measurements of one backend. */
export interface BackendMemory {
  /** The number of the backend's row in the table that threads share; 0 where the pool has one thread. */
  readonly row: number
  readonly counter: LoadCounter
  readonly healthMemory: HealthMemory
  readonly latency: Pick<Latency, 'add' | 'summary'>
  readonly responseTime: Pick<ResponseTime, 'add' | 'atLeast' | 'forget' | 'estimate'>
}

/** Counts an event in a sliding window of time. */
export type RecentCount = Pick<SlidingCount, 'add' | 'sum' | 'rate'>

/** The events that a pool counts in sliding windows. */
export const recentEvents = ['requests', 'retries', 'hedges', 'done'] as const

export type RecentEvent = (typeof recentEvents)[number]

/** Numbers that a pool counts since its start. */
export const poolNumbers = ['requests', 'retries', 'hedges', 'hedgesWon', ...refusalCodes] as const

export type PoolNumber = (typeof poolNumbers)[number]

/**
 * Where a pool keeps what its threads have in common. With one thread these are plain numbers. Threads that share a
 * pool keep them in a table in shared memory, see `SharedMemory`.
 */
export interface PoolMemory {
  /** True if other threads change the counts as well, so that nothing that follows from a count may be kept. */
  readonly isShared: boolean
  /**
   * Makes the memory of a backend.
   * @param tunnelWeight the weight in `load` of a tunnel without traffic, in percent of the weight of a request
   * @param row the backend's row, where another thread has registered it; undefined for a new backend
   * @throws {InvalidBackendError} where there is no room for another backend
   */
  backend(tunnelWeight: number, row?: number): BackendMemory
  /** Frees the memory of a backend that was removed, or never registered. No thread may know the backend any more. */
  forget(row: number): void
  /** Counts an event in a sliding window. */
  recent(event: RecentEvent, windowMs: number, clock: Clock): RecentCount
  /** Adds one to a number of the pool. */
  count(number: PoolNumber): void
  /** Returns a number of the pool. */
  counted(number: PoolNumber): number
}

/** The memory of a pool with one thread. */
export class LocalMemory implements PoolMemory {
  readonly isShared = false
  readonly #numbers = Object.fromEntries(poolNumbers.map((name) => [name, 0])) as Record<PoolNumber, number>

  backend(tunnelWeight: number): BackendMemory {
    return localBackend(tunnelWeight)
  }

  forget(): void {}

  recent(_event: RecentEvent, windowMs: number, clock: Clock): RecentCount {
    return new SlidingCount(windowMs, clock)
  }

  count(number: PoolNumber): void {
    this.#numbers[number]++
  }

  counted(number: PoolNumber): number {
    return this.#numbers[number]
  }
}

/** Makes the memory of a backend of one thread. */
export function localBackend(tunnelWeight?: number): BackendMemory {
  return {
    row: 0,
    counter: new LocalLoadCounter(tunnelWeight),
    healthMemory: new LocalHealth(),
    latency: new Latency(),
    responseTime: new ResponseTime(),
  }
}
