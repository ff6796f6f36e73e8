import type { FastifyBaseLogger } from 'fastify'
import type { Backend } from '../balancer/backends/backend.js'
import type { Registry } from '../balancer/backends/registry.js'
import type { FileChange } from '../proxy/upstream/tls/tls-contexts.js'

/** Logs what became of files for TLS that have changed on disk. */
export function logFileChange(log: FastifyBaseLogger, pool: string, { files, error }: FileChange): void {
  const paths = Object.fromEntries(Object.entries(files).filter(([, path]) => path !== ''))
  if (!error) {
    log.info({ pool, event: 'tls files taken', ...paths }, 'changed TLS files are used for new connections')
    return
  }
  const reason = `${error.field} ${JSON.stringify(error.path)} ${error.message}`
  log.warn(
    { pool, event: 'tls files not taken', ...paths, reason },
    'changed TLS files cannot be used: new connections use the last good ones',
  )
}

/**
 * Warns of a pool, and of each backend, whose certificates are not checked, when it starts or is registered.
 * @param isPoolChecked the setting of the pool, which applies to backends without a field of their own
 */
export function warnOfUncheckedTls(
  log: FastifyBaseLogger,
  pool: string,
  registry: Registry,
  isPoolChecked: boolean,
): void {
  const event = 'certificates not checked'
  if (!isPoolChecked)
    log.warn({ pool, event }, 'certificates of backends are not checked: rejectUnauthorized is false')
  const warned = new WeakSet<Backend>()
  const look = (backend: Backend) => {
    if (backend.tls.rejectUnauthorized !== false) {
      warned.delete(backend)
      return
    }
    if (warned.has(backend)) return
    warned.add(backend)
    const { id, url } = backend
    log.warn(
      { pool, event, backend: id, url },
      "the backend's certificate is not checked: its rejectUnauthorized is false",
    )
  }
  for (const backend of registry.list()) look(backend)
  registry.on('added', look)
  registry.on('updated', look)
}
