import { setImmediate } from 'node:timers/promises'
import type { Registry } from '../../balancer/backends/registry.js'

/**
 * Number of backends that are serialised in one turn of the event loop, which takes 1 to 2 milliseconds. The gateway
 * serves requests between two turns.
 */
export const BACKENDS_PER_TURN = 100

/** Yields all backends as pieces of one JSON array, brackets included. */
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

/** Yields the response of `GET /backends` as pieces of JSON. */
export async function* backendsJson(registry: Registry): AsyncGenerator<string> {
  yield '{"backends":'
  yield* backendList(registry)
  yield '}'
}
