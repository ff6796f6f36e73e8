import type { Backend } from './backend.js'
import { patchedTls } from './backend-tls.js'
import type { BackendPatch } from './spec.js'
import {
  checkBackup,
  checkHealthHost,
  checkHealthPort,
  checkMaxConnections,
  checkWeight,
} from './validation.js'

/** The fields of a backend that can be changed. */
export type PatchedFields = Pick<
  Backend,
  'weight' | 'maxConnections' | 'ownLimit' | 'backup' | 'healthPort' | 'healthHost' | 'tls'
>

/**
 * Returns the fields of a backend after a change; a field that is left out of the change stays as it is.
 * @throws {InvalidBackendError}
 */
export function patched(backend: Backend, patch: BackendPatch): PatchedFields {
  const { weight, maxConnections, backup, healthPort, healthHost } = patch
  return {
    weight: weight === undefined ? backend.weight : checkWeight(weight),
    maxConnections:
      maxConnections === undefined ? backend.maxConnections : checkMaxConnections(maxConnections),
    ownLimit: backend.ownLimit || maxConnections !== undefined,
    backup: backup === undefined ? backend.backup : checkBackup(backup),
    healthPort: healthPort === undefined ? backend.healthPort : checkHealthPort(healthPort, backend.url),
    healthHost: healthHost === undefined ? backend.healthHost : checkHealthHost(healthHost),
    tls: patchedTls(backend, patch),
  }
}
