import { basename, dirname, extname, join } from 'node:path'
import type { BackendStore } from '../balancer/state/store.js'
import type { GatewayConfig } from '../config/file/gateway-config.js'
import type { Settings } from '../config/settings.js'
import { stateFile } from '../stores/state-file.js'

/** Where the pools of a gateway are stored. */
export class PoolStores {
  readonly #settings: Settings
  readonly #hasFile: boolean

  constructor(settings: Settings, { file }: Pick<GatewayConfig, 'file'>) {
    this.#settings = settings
    this.#hasFile = file !== undefined
  }

  /**
   * Returns where a pool is stored; undefined where it is not. Where a file describes the pools, each of them has a file
   * of its own beside the one that STATE_FILE names: `state.users.json` for the pool `users` and `state.json`.
   */
  of(pool: string): BackendStore | undefined {
    const { stateFile: path } = this.#settings
    if (path === '') return undefined
    if (!this.#hasFile) return stateFile(path, 'STATE_FILE')
    const extension = extname(path)
    const name = `${basename(path, extension)}.${encodeURIComponent(pool)}${extension}`
    return stateFile(join(dirname(path), name), 'STATE_FILE')
  }
}
