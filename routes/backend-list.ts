import { setImmediate } from 'node:timers/promises'
import type { Registry } from '../src/balancer/registry.js'

/** Backends that are written at a stretch: about a millisecond or two. Requests are served in between. */
export const STRETCH = 100

/** All backends as JSON, a list in its brackets, piece by piece. */
export async function* backendList(registry: Registry): AsyncGenerator<string> {
  const backends = registry.list()
  yield '['
  for (let start = 0; start < backends.length; start += STRETCH) {
    if (start > 0) await setImmediate()
    const views = backends.slice(start, start + STRETCH).map((backend) => JSON.stringify(backend.view()))
    yield `${start > 0 ? ',' : ''}${views.join()}`
  }
  yield ']'
}
