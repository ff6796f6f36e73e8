import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import type { SourceEntry } from '../backends/sources.js'
import type { ConfiguredBackend } from '../backends/spec.js'
import { limitOrNull } from '../backends/validation.js'
import type { PolicyName } from '../selection/policies/index.js'
import { type BackendState, type PoolState, STATE_VERSION } from './store.js'

/** Returns the state of a pool, as it is to be stored. */
export function stateOf(registry: Registry, policy: PolicyName, configuredPolicy: PolicyName): PoolState {
  const staying = registry.list().filter((backend) => !registry.isLeaving(backend))
  const urls = new Set(staying.map(({ url }) => url))
  return {
    version: STATE_VERSION,
    policy: { name: policy, configured: configuredPolicy },
    backends: staying.map((backend) => {
      const configured = registry.entryOf(backend, 'config')
      return { ...backendStateOf(backend), ...(configured && { configured: plain(configured) }) }
    }),
    removed: registry
      .entriesOf('config')
      .filter(({ url }) => !urls.has(url))
      .map(plain),
  }
}

/** Returns the configuration of a backend without its state, because the next start begins with the stored state. */
export function plain({ state, addedAt, ...configured }: SourceEntry): ConfiguredBackend {
  return configured
}

/** Returns what is stored of a backend, without what the configuration says of it. */
export function backendStateOf({
  url,
  id,
  weight,
  ownLimit,
  maxConnections,
  hostHeader,
  backup,
  healthPort,
  healthHost,
  tls,
  state,
  addedAt,
}: Backend): BackendState {
  return {
    url,
    id,
    weight,
    ...(ownLimit && { maxConnections: limitOrNull(maxConnections) }),
    ...(hostHeader !== undefined && { hostHeader }),
    ...(backup && { backup }),
    ...(healthPort !== undefined && { healthPort }),
    ...(healthHost !== undefined && { healthHost }),
    ...tls,
    state,
    addedAt: addedAt.toISOString(),
  }
}
