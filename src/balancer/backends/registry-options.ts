import type { PanicOptions } from '../health/panic.js'
import type { PoolMemory } from '../memory.js'
import type { ObserverGuard } from '../observer-guard.js'
import type { Clock } from '../time/clock.js'
import type { Backend, ShareSource } from './backend.js'
import type { BackendTls } from './backend-tls.js'
import type { HealthInitial } from './spec.js'

/** Events of a registry. Each is emitted after the change, all but `panic` with the backend. */
export interface RegistryEvents {
  added: [Backend]
  updated: [Backend]
  draining: [Backend]
  /**
   * Requests in flight are cut, because the drain took too long or the backend is removed by force; the number counts
   * them.
   */
  cut: [Backend, number]
  /** A draining backend has no request in flight any more. */
  drained: [Backend]
  activated: [Backend]
  /** The backend's health changed, or the backend was ejected once more. */
  health: [Backend]
  removed: [Backend]
  /** Panic begins (true) or ends (false). In panic health is ignored, because too few backends are usable. */
  panic: [boolean]
}

/** Receives each change of a registry before the registry's listeners do. */
export interface RegistryObserver {
  /** {@link Registry.eligible} was replaced. */
  eligibleChanged(eligible: readonly Backend[]): void
  /** The set of eligible backends is up to date everywhere, so that the queue can be served. */
  settled(): void
  /** A backend became usable. */
  joined(backend: Backend): void
  /** An operator activated a backend, or active checks found that it is back. Its past failures no longer count. */
  renewed(backend: Backend): void
  removed(backend: Backend): void
}

/** The other threads of a pool, as its registry reaches them. */
export interface OtherThreads {
  /** Cuts the requests that other threads have in flight on a backend. */
  cut(backend: Backend, why: string): void
  /** Calls back once all other threads know of every change so far. */
  whenKnown(callback: () => void): void
}

/** The options of a registry that may change. */
export type ChangingRegistryOptions = PanicOptions &
  Pick<
    RegistryOptions,
    'maxConnections' | 'healthInitial' | 'tunnelWeight' | 'drainTimeout' | 'keepsKeysOnDrain'
  >

export interface RegistryOptions extends PanicOptions {
  clock: Clock
  memory: PoolMemory
  /** The threads that carry the traffic of the pool; undefined where this thread does. */
  otherThreads?: OtherThreads | undefined
  /**
   * Largest number of requests in flight on a backend that is registered without a limit of its own; 0 for no limit.
   */
  maxConnections: number
  /** Tells whether a backend is used before its first check has passed. */
  healthInitial: HealthInitial
  /** The weight in a choice of a tunnel without traffic, in percent of the weight of a request. */
  tunnelWeight: number
  /** Milliseconds that requests in flight may take on a drain, where the call gives no time. */
  drainTimeout: number
  /** True if a backend that drains keeps the requests of its keys for most of that time. */
  keepsKeysOnDrain?: boolean | undefined
  /** Tells which part of its fair share a backend may have; undefined where each backend has its whole share. */
  shareSource?: ShareSource | undefined
  /**
   * Called with the TLS fields of a backend before they come into force, unless it has none.
   * @throws {InvalidBackendError} to refuse them, for example where a file cannot be read
   */
  verifyTls(tls: BackendTls): void
  observerGuard: ObserverGuard
}
