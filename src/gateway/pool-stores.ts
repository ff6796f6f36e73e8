import { basename, dirname, extname, join } from 'node:path'
import { StoreError } from '../balancer/errors.js'
import type { BackendStore } from '../balancer/state/store.js'
import type { GatewayConfig } from '../config/file/gateway-config.js'
import { SettingError } from '../config/setting-error.js'
import type { Settings } from '../config/settings.js'
import { type RedisStore, redisStore } from '../stores/redis/redis-store.js'
import { stateFile } from '../stores/state-file.js'

/** Where the pools of a gateway are stored: in files, in a store that gateways share, or nowhere. */
export class PoolStores {
  readonly #settings: Settings
  readonly #hasFile: boolean
  readonly #shared: RedisStore | undefined

  /** @throws {SettingError} if STORE is not a URL of such a store */
  constructor(settings: Settings, { file }: Pick<GatewayConfig, 'file'>) {
    this.#settings = settings
    this.#hasFile = file !== undefined
    this.#shared = settings.store === '' ? undefined : sharedStore(settings)
  }

  /** Counts for rate limits over all gateways that share the store; undefined where there is none. */
  get counter(): RedisStore['rateLimits'] | undefined {
    return this.#shared?.rateLimits
  }

  /**
   * Opens the connection to a store that gateways share. It need not be there yet.
   * @throws {StoreError} if it cannot be used, because a package is missing
   */
  async open(): Promise<void> {
    try {
      await this.#shared?.open()
    } catch (error) {
      throw new StoreError('STORE', 'used', (error as Error).message)
    }
  }

  /**
   * Returns where a pool is stored; undefined where it is not. Where a file describes the pools, each of them has a state
   * file of its own beside the one that STATE_FILE names: `state.users.json` for the pool `users` and `state.json`.
   */
  of(pool: string): BackendStore | undefined {
    if (this.#shared) return this.#shared.forPool(pool)
    const { stateFile: path } = this.#settings
    if (path === '') return undefined
    if (!this.#hasFile) return stateFile(path, 'STATE_FILE')
    const extension = extname(path)
    const name = `${basename(path, extension)}.${encodeURIComponent(pool)}${extension}`
    return stateFile(join(dirname(path), name), 'STATE_FILE')
  }

  /** To be called when the pools are closed. */
  async close(): Promise<void> {
    await this.#shared?.close()
  }
}

function sharedStore({ store, gatewayId }: Settings): RedisStore {
  try {
    return redisStore(store, gatewayId === '' ? {} : { id: gatewayId })
  } catch (error) {
    // The value may have a password.
    throw new SettingError('STORE', `is not accepted: ${(error as Error).message}`)
  }
}
