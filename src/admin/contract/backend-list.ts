import type { Registry } from '../../balancer/backends/registry.js'
import { jsonList } from './json-list.js'

export { ITEMS_PER_TURN as BACKENDS_PER_TURN } from './json-list.js'

/** Yields all backends as pieces of one JSON array, brackets included. */
export function backendList(registry: Registry): AsyncGenerator<string> {
  return jsonList(viewsOf(registry))
}

function* viewsOf(registry: Registry) {
  for (const backend of registry.list()) yield backend.view()
}

/** Yields the response of `GET /backends` as pieces of JSON. */
export async function* backendsJson(registry: Registry): AsyncGenerator<string> {
  yield '{"backends":'
  yield* backendList(registry)
  yield '}'
}
