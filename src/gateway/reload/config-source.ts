import { environmentConfig } from '../../config/file/environment-config.js'
import type { GatewayConfig } from '../../config/file/gateway-config.js'
import type { ReadFile } from '../../config/file/read-file.js'
import type { Settings } from '../../config/settings.js'

/** Where the configuration of a gateway comes from. */
export interface ConfigSource {
  /** The configuration with which the gateway starts. */
  readonly config: GatewayConfig
  /** The file as it was read at the start; undefined where the gateway has none. */
  readonly file: ReadFile | undefined
  /** Reads the file again. @throws {ConfigFileError} that has every mistake */
  read(): ReadFile
}

/**
 * Reads the configuration of a gateway.
 * @param variables what `${NAME}` in the file stands for
 * @throws {ConfigFileError} that has every mistake
 */
export async function configSource(
  settings: Settings,
  variables: Record<string, string | undefined>,
): Promise<ConfigSource> {
  const { configFile } = settings
  if (configFile === '') return environmentSource(settings)
  // A gateway without a file does not load what reads one.
  const { readGatewayFile } = await import('../../config/file/read-file.js')
  const read = () => readGatewayFile(configFile, settings, variables)
  const file = read()
  return { config: file.config, file, read }
}

/** The source of a gateway without a file. */
export function environmentSource(settings: Settings): ConfigSource {
  return {
    config: environmentConfig(settings),
    file: undefined,
    read() {
      throw new Error('there is no file')
    },
  }
}
