import type { BackendView } from '../../balancer/index.js'
import { isOutOfUse } from './backend-status.js'

/** The backends by id, as the API reported them last. */
const backends = new Map<string, BackendView>()

/** Replaces all backends. */
export function setBackends(list: readonly BackendView[]): void {
  backends.clear()
  for (const backend of list) backends.set(backend.id, backend)
}

export function setBackend(backend: BackendView): void {
  backends.set(backend.id, backend)
}

export function removeBackend(id: string): void {
  backends.delete(id)
}

/** Whether clients would get a 503 if this backend got no more requests. */
export function isLastUsable(id: string): boolean {
  const backend = backends.get(id)
  // The departure of a backend that already gets no requests changes nothing.
  if (!backend || backend.state === 'draining' || backend.health === 'unhealthy') return false
  for (const other of backends.values()) if (other !== backend && !isOutOfUse(other)) return false
  return true
}
