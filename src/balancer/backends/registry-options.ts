import type { PanicOptions } from '../health/panic.js'
import type { ObserverGuard } from '../observer-guard.js'
import type { Clock } from '../time/clock.js'
import type { Backend, ShareSource } from './backend.js'
import type { HealthInitial } from './spec.js'

/** The events of a backend. Each is emitted after the change, with the backend. */
export interface RegistryEvents {
  added: [Backend]
  updated: [Backend]
  draining: [Backend]
  /**
   * Emitted with the number of requests that are cut, because the drain took too long or the backend is removed by
   * force.
   */
  cut: [Backend, number]
  /** A draining backend holds no request any more. */
  drained: [Backend]
  activated: [Backend]
  /** Its health changed, or it was ejected once more. */
  health: [Backend]
  removed: [Backend]
  /** Panic begins (true), as too few backends are usable and health is ignored from now on, or ends (false). */
  panic: [boolean]
}

/** Is told of changes of a registry, before its listeners. */
export interface RegistryObserver {
  /** {@link Registry.eligible} was replaced. */
  eligibleChanged(eligible: readonly Backend[]): void
  /** Everybody knows of that change: the queue can be served. */
  settled(): void
  /** A backend may be used that could not be before. */
  joined(backend: Backend): void
  /** An operator activated a backend, or active checks found that it is back: its past failures count no more. */
  renewed(backend: Backend): void
  removed(backend: Backend): void
}

export interface RegistryOptions extends PanicOptions {
  clock: Clock
  /** Limit of a backend that is registered without one; 0 for none. */
  maxConnections: number
  /** Whether a backend is used before its first check has passed. */
  healthInitial: HealthInitial
  /** The load of a tunnel without traffic, in percent of a request. */
  tunnelWeight: number
  /** Milliseconds that requests in flight may take on a drain, where the call names no time. */
  drainTimeout: number
  /** Knows which part of its fair share a backend may have; without one each has the whole. */
  shareSource?: ShareSource | undefined
  observerGuard: ObserverGuard
}
