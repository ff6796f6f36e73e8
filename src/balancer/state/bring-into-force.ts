import type { Registry } from '../backends/registry.js'
import { type ContentChange, changeBetween, type PoolContent } from './pool-content.js'
import type { Asked, Removal } from './store.js'

/**
 * Checks whether {@link bringIntoForce} would succeed, and changes nothing.
 * @throws {InvalidBackendError | BackendExistsError}
 */
export function checkAcceptable(registry: Registry, target: PoolContent, present: PoolContent): void {
  checkChange(registry, changeBetween(present, target))
}

function checkChange(registry: Registry, { dropped, before, now }: ContentChange): void {
  registry.prepareSync('store', now, [...before, ...dropped]).giveUp()
}

/**
 * Brings the backends of a pool in line with what its store has, as one change. Backends keep their counts and history.
 * @param present the content of the pool now
 * @param asked what was asked for since the store was looked at last, by URL of backend: the time of a drain, a removal
 *   by force, an activation that ends an ejection
 * @throws {InvalidBackendError | BackendExistsError} and changes nothing
 */
export function bringIntoForce(
  registry: Registry,
  target: PoolContent,
  present: PoolContent,
  asked: ReadonlyMap<string, Asked | Removal>,
): void {
  const change = changeBetween(present, target)
  checkChange(registry, change)
  const { dropped, before, now } = change
  const urls = new Map(target.backends.map((backend) => [backend.url, backend]))
  const removed = new Set(dropped.map(({ url }) => url))
  registry.batch(() => {
    for (const backend of registry.list()) {
      const { id, url } = backend
      const call = asked.get(url)
      if (!registry.isLeaving(backend)) {
        if (removed.has(url)) registry.remove(id, removalOf(call))
      } else if (urls.has(url)) registry.activate(id)
      // It was asked once more, for example by force this time.
      else if (call) registry.remove(id, removalOf(call))
    }
    registry.sync('store', now, before)
    for (const backend of registry.list()) {
      const { id, url, state, addedAt } = backend
      const wanted = urls.get(url)
      if (!wanted) continue
      // Gateways that began at the same time have the time of the one that was stored first.
      if (addedAt.toISOString() !== wanted.addedAt) backend.addedAt = new Date(wanted.addedAt)
      const call = asked.get(url)
      if (!call || state !== wanted.state) continue
      if (state === 'draining') registry.drain(id, call.timeout)
      else registry.activate(id)
    }
  })
}

function removalOf(call: Asked | Removal | undefined): { force?: boolean; timeout?: number } {
  if (!call) return {}
  return {
    ...('force' in call && { force: true }),
    ...(call.timeout !== undefined && { timeout: call.timeout }),
  }
}
