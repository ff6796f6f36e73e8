import { setImmediate } from 'node:timers/promises'
import type { Registry } from '../../balancer/backends/registry.js'

/** Backends that are written in one turn of the loop, which takes a millisecond or two; requests are served in between. */
export const BACKENDS_PER_TURN = 100

/** All backends as JSON, a list in its brackets, piece by piece. */
export async function* backendList(registry: Registry): AsyncGenerator<string> {
  const backends = registry.list()
  yield '['
  for (let start = 0; start < backends.length; start += BACKENDS_PER_TURN) {
    if (start > 0) await setImmediate()
    const views = backends
      .slice(start, start + BACKENDS_PER_TURN)
      .map((backend) => JSON.stringify(backend.view()))
    yield `${start > 0 ? ',' : ''}${views.join()}`
  }
  yield ']'
}

/** The response of `GET /backends` as JSON, piece by piece. */
export async function* backendsJson(registry: Registry): AsyncGenerator<string> {
  yield '{"backends":'
  yield* backendList(registry)
  yield '}'
}
