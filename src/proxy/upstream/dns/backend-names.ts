import { isIP } from 'node:net'
import type { Backend } from '../../../balancer/backends/backend.js'
import type { Registry } from '../../../balancer/backends/registry.js'
import { addressOf } from '../transport/address.js'
import type { NameLookup } from './name-lookup.js'

/**
 * Looks up the names of a pool's backends before the addresses are needed. A backend gets no requests until its name
 * has been resolved once: before that, requests would not reach the backend, and would count as its failures.
 * @returns a function that ends these look-ups
 */
export function watchNames(registry: Registry, names: NameLookup): () => void {
  const leave = new Map<Backend, () => void>()
  const begin = (backend: Backend) => {
    const { host } = addressOf(backend)
    // A Unix socket has no name.
    if (host === '') return
    // A listener that was called before this one may have removed the backend.
    if (isIP(host) !== 0 || !registry.holds(backend)) return
    leave.set(
      backend,
      names.watch(host, (reason) => registry.setUnresolved(backend, reason)),
    )
  }
  const end = (backend: Backend) => {
    leave.get(backend)?.()
    leave.delete(backend)
  }
  for (const backend of registry.list()) begin(backend)
  registry.on('added', begin)
  registry.on('removed', end)
  return () => {
    registry.off('added', begin)
    registry.off('removed', end)
    for (const backend of [...leave.keys()]) end(backend)
  }
}
