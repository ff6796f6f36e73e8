import type { Backend } from './backend.js'
import { type BackendTls, checkTls, isSameTls, noTls } from './backend-tls.js'
import type { RegistryOptions } from './registry-options.js'
import type { ConfiguredBackend } from './spec.js'
import { checkMaxConnections } from './validation.js'

/** The fields of a description that may change. */
type SpecFields = Pick<
  Backend,
  'maxConnections' | 'ownLimit' | 'tls' | 'weight' | 'hostHeader' | 'backup' | 'healthPort' | 'healthHost'
>

/** Returns the fields of a backend that follow from its description. @throws {InvalidBackendError} */
export function fieldsOf(backend: Backend, spec: ConfiguredBackend, options: RegistryOptions): SpecFields {
  const { maxConnections = options.maxConnections } = spec
  return {
    tls: verifiedTls(backend, checkTls(spec, new URL(spec.url)), options),
    maxConnections: checkMaxConnections(maxConnections),
    weight: spec.weight,
    ownLimit: spec.maxConnections !== undefined,
    hostHeader: spec.hostHeader,
    backup: spec.backup === true,
    healthPort: spec.healthPort,
    healthHost: spec.healthHost,
  }
}

/**
 * Gives a backend what the options of the pool say of backends without settings of their own: the limit, and that it is
 * used before it has passed a check. Returns true if that changed anything.
 */
export function followDefaults(backend: Backend, options: RegistryOptions): boolean {
  const limit = backend.ownLimit ? backend.maxConnections : checkMaxConnections(options.maxConnections)
  const isTrusted = backend.unproven && options.healthInitial === 'usable'
  if (limit === backend.maxConnections && !isTrusted) return false
  backend.maxConnections = limit
  if (!isTrusted) return true
  backend.unproven = false
  backend.checked = backend.lastCheck ? 'unhealthy' : 'unknown'
  return true
}

/** Returns TLS fields that may come into force. @throws {InvalidBackendError} */
export function verifiedTls(backend: Backend, tls: BackendTls, { verifyTls }: RegistryOptions): BackendTls {
  if (isSameTls(tls, backend.tls)) return backend.tls
  if (tls !== noTls) verifyTls(tls)
  return tls
}
