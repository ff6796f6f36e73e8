import { basename, dirname, extname, join } from 'node:path'
import type { BackendStore } from '../balancer/state/store.js'
import type { GatewayConfig } from '../config/file/gateway-config.js'
import type { Settings } from '../config/settings.js'
import { stateFile } from '../stores/state-file.js'

/**
 * Returns where a pool is stored; undefined where it is not. Where a file describes the pools, each of them has a file of
 * its own beside the one that STATE_FILE names: `state.users.json` for the pool `users` and `state.json`.
 */
export function storeOf(
  { stateFile: path }: Settings,
  { file }: Pick<GatewayConfig, 'file'>,
  pool: string,
): BackendStore | undefined {
  if (path === '') return undefined
  if (file === undefined) return stateFile(path, 'STATE_FILE')
  const extension = extname(path)
  const name = `${basename(path, extension)}.${encodeURIComponent(pool)}${extension}`
  return stateFile(join(dirname(path), name), 'STATE_FILE')
}
