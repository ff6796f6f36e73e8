import type { Registry } from '../balancer/backends/registry.js'

/**
 * Returns a warning about what clients will notice if a backend gets no more requests. There is no warning if other
 * backends are usable, or if the backend gets no requests anyway. Call it before the backend is drained or removed.
 * @throws {BackendNotFoundError}
 */
export function lastUsableWarning(registry: Registry, id: string): { warning?: string } {
  const backend = registry.list().find((other) => other.id === id)
  if (!backend || (!backend.isEligible && !registry.standby.includes(backend))) return {}
  const left = registry.leftWithout(backend)
  if (left === 'nobody')
    return { warning: `no other backend than ${id} is usable: clients are answered 503 now` }
  if (left === 'sick' && backend.isUsable) {
    return { warning: `no other backend than ${id} is usable: requests go to ejected or unhealthy ones now` }
  }
  return {}
}
