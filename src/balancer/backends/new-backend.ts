import { fieldsOf } from './apply-spec.js'
import { Backend } from './backend.js'
import { parseOrigin } from './origin.js'
import type { RegistryOptions } from './registry-options.js'
import type { SourceEntry } from './sources.js'
import type { BackendSource } from './spec.js'

/**
 * Makes a backend that can be registered.
 * @param entry the description, which was checked
 * @throws {InvalidBackendError}
 */
export function newBackend(
  id: string,
  entry: SourceEntry,
  source: BackendSource,
  options: RegistryOptions,
): Backend {
  const memory = options.memory.backend(options.tunnelWeight)
  const addedAt = entry.addedAt === undefined ? options.clock.date() : new Date(entry.addedAt)
  const backend = new Backend(id, parseOrigin(entry.url), entry.hostHeader, addedAt, memory)
  try {
    Object.assign(backend, fieldsOf(backend, entry, options))
  } catch (error) {
    options.memory.forget(backend.row)
    throw error
  }
  backend.source = source
  backend.shareSource = options.shareSource
  backend.state = entry.state ?? 'active'
  if (options.healthInitial === 'unusable') {
    backend.unproven = true
    backend.checked = 'unhealthy'
  }
  return backend
}
