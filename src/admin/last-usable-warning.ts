import type { Registry } from '../balancer/backends/registry.js'

/**
 * What clients will notice when a backend gets no request any more; nothing where others are usable, or where it gets
 * none already. To be asked before that is done.
 * @throws {BackendNotFoundError}
 */
export function lastUsableWarning(registry: Registry, id: string): { warning?: string } {
  const backend = registry.get(id)
  if (!backend.isEligible && !registry.standby.includes(backend)) return {}
  const left = registry.leftWithout(backend)
  if (left === 'nobody')
    return { warning: `no other backend than ${id} is usable: clients are answered 503 now` }
  if (left === 'sick' && backend.isUsable) {
    return { warning: `no other backend than ${id} is usable: requests go to ejected or unhealthy ones now` }
  }
  return {}
}
