import { isOut } from './condition.js'
import type { Backend } from './wire.js'

/** The backends as they were last told, by id. */
const known = new Map<string, Backend>()

/** Takes the place of all that was known. */
export function knowAll(backends: readonly Backend[]): void {
  known.clear()
  for (const backend of backends) known.set(backend.id, backend)
}

export function know(backend: Backend): void {
  known.set(backend.id, backend)
}

export function forget(id: string): void {
  known.delete(id)
}

/** Whether clients are answered 503 once this backend gets no request any more. */
export function isLastUsable(id: string): boolean {
  const backend = known.get(id)
  // One that gets no request already takes nothing away.
  if (!backend || backend.state === 'draining' || backend.health === 'unhealthy') return false
  for (const other of known.values()) if (other !== backend && !isOut(other)) return false
  return true
}
