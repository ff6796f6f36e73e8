import type { Backend } from './backend.js'
import { type BackendTls, checkTls, isSameTls, noTls } from './backend-tls.js'
import type { RegistryOptions } from './registry-options.js'
import type { ConfiguredBackend } from './spec.js'
import { checkMaxConnections } from './validation.js'

/** Gives a backend all fields of its description that may change. @throws {InvalidBackendError} and changes nothing */
export function applySpec(backend: Backend, spec: ConfiguredBackend, options: RegistryOptions): void {
  const { maxConnections = options.maxConnections } = spec
  const tls = verifiedTls(backend, checkTls(spec, new URL(spec.url)), options)
  backend.maxConnections = checkMaxConnections(maxConnections)
  backend.tls = tls
  backend.weight = spec.weight
  backend.ownLimit = spec.maxConnections !== undefined
  backend.hostHeader = spec.hostHeader
  backend.backup = spec.backup === true
  backend.healthPort = spec.healthPort
  backend.healthHost = spec.healthHost
}

/** Returns TLS fields that may come into force. @throws {InvalidBackendError} */
export function verifiedTls(backend: Backend, tls: BackendTls, { verifyTls }: RegistryOptions): BackendTls {
  if (isSameTls(tls, backend.tls)) return backend.tls
  if (tls !== noTls) verifyTls(tls)
  return tls
}
