import { EnvFileError, readEnvFile } from '../config/env-file.js'
import type { ReadFile } from '../config/file/read-file.js'
import { Failure } from './failure.js'

/** Says which file commands read, for their help. */
export const fileHelp = `The file is --config, else CONFIG_FILE. Settings and \${NAME} come from the
environment and from .env in this folder, as for the gateway: the settings of a
pool there are the defaults of each pool in the file.`

/**
 * Reads and checks the file of a gateway. The checks are imported only here, so that other commands start faster.
 * @throws {Failure} that has every mistake
 */
export async function readFileOf(file: string | undefined): Promise<ReadFile & { file: string }> {
  const env: Record<string, string | undefined> = { ...variables(), ...process.env }
  const path = file ?? env.CONFIG_FILE
  if (!path) throw new Failure('usage', 'there is no file: --config or CONFIG_FILE names one')
  const [{ readGatewayFile }, { ConfigFileError }, { parseConfig }, { SettingError }] = await Promise.all([
    import('../config/file/read-file.js'),
    import('../config/file/mistakes.js'),
    import('../config/environment.js'),
    import('../config/setting-error.js'),
  ])
  try {
    return { file: path, ...readGatewayFile(path, parseConfig({ ...env, CONFIG_FILE: path }), env) }
  } catch (error) {
    if (error instanceof SettingError) throw new Failure('usage', error.message)
    if (!(error instanceof ConfigFileError)) throw error
    const { mistakes } = error
    const text = `${path} has ${mistakes.length} mistake${mistakes.length === 1 ? '' : 's'}`
    throw new Failure('refused', text, 'LEASTWISE_INVALID_CONFIG', undefined, mistakes)
  }
}

function variables(): Record<string, string> {
  try {
    return readEnvFile().variables
  } catch (error) {
    if (error instanceof EnvFileError) throw new Failure('usage', error.message)
    throw error
  }
}
