import { checkSpec } from '../balancer/backends/validation.js'
import { InvalidBackendError } from '../balancer/errors.js'
import { poolTlsOf, refusedFile } from '../config/pool-tls.js'
import { presentable, SettingError } from '../config/setting-error.js'
import { type Settings, variable } from '../config/settings.js'
import { TlsFileError } from '../proxy/upstream/tls/pem-files.js'
import { UpstreamTls } from '../proxy/upstream/tls/upstream-tls.js'

/**
 * Reads the files for TLS with backends that the environment names, so that an error names the variable.
 * @throws {SettingError} for the first file that cannot be used
 */
export function checkTlsFiles(settings: Settings): void {
  const tls = poolTls(settings)
  try {
    checkBackends(settings.backends, tls)
  } finally {
    tls.close()
  }
}

function poolTls(settings: Settings): UpstreamTls {
  try {
    return new UpstreamTls(poolTlsOf(settings))
  } catch (error) {
    throw error instanceof TlsFileError ? refusedFile(error, variable) : error
  }
}

function checkBackends(backends: Settings['backends'], tls: UpstreamTls): void {
  for (const [i, given] of backends.entries()) {
    const spec = typeof given === 'string' ? { url: given } : given
    try {
      tls.verify(checkSpec(spec))
    } catch (error) {
      if (!(error instanceof InvalidBackendError)) throw error
      const entry = `entry ${i + 1} of ${backends.length}, ${presentable(JSON.stringify(spec.url))}`
      throw new SettingError(variable('backends'), `does not accept ${entry}: ${error.message}`)
    }
  }
}
