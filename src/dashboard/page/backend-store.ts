import type { BackendView } from '../../balancer/index.js'
import { isOutOfUse } from './backend-status.js'

/** The latest known state of each backend, by the backend's id. */
const backends = new Map<string, BackendView>()

/** Replaces all backends by those of the list. */
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

/** True if clients would get a 503 as soon as this backend got no more requests. */
export function isLastUsable(id: string): boolean {
  const backend = backends.get(id)
  // A backend that gets no requests anyway can leave without effect for clients.
  if (!backend || backend.state === 'draining' || backend.health === 'unhealthy') return false
  for (const other of backends.values()) if (other !== backend && !isOutOfUse(other)) return false
  return true
}
