import { isIP } from 'node:net'
import type { Backend } from '../../../balancer/backends/backend.js'
import type { Registry } from '../../../balancer/backends/registry.js'
import { addressOf } from '../transport/address.js'
import type { NameLookup } from './name-lookup.js'

/**
 * Looks up the names of a pool's backends before the addresses are needed. A backend whose name has never been resolved
 * gets no requests until it is: they would not reach it, and count as its failures.
 * @returns stops watching
 */
export function watchNames(registry: Registry, names: NameLookup): () => void {
  const leave = new Map<Backend, () => void>()
  const begin = (backend: Backend) => {
    const { host } = addressOf(backend)
    // A listener that was told before this one may have removed it.
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
