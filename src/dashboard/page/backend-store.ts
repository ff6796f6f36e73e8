import type { BackendView } from '../../balancer/index.js'
import { isOutOfUse } from './backend-status.js'

/** The backends as the API told them last, by id. */
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

/** Whether clients are answered 503 once this backend gets no new request. */
export function isLastUsable(id: string): boolean {
  const backend = backends.get(id)
  // A backend that gets no request already takes nothing away.
  if (!backend || backend.state === 'draining' || backend.health === 'unhealthy') return false
  for (const other of backends.values()) if (other !== backend && !isOutOfUse(other)) return false
  return true
}
