import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { KeySet } from '../auth/keys/key-set-source.js'
import type { GatewayConfig, PoolConfig } from '../config/file/gateway-config.js'
import type { Settings } from '../config/settings.js'
import { Pool, type PoolOptions } from '../pool/pool.js'
import { countDroppedLines, pageRegistry } from '../telemetry/metrics/process.js'
import { createAdminApp } from './admin-app.js'
import { gatewayControl } from './control/gateway-control.js'
import { ControlServices } from './control-services.js'
import { probePorts } from './listeners.js'
import type { LogStream } from './logging/log-stream.js'
import { PoolStores } from './pool-stores.js'
import type { GatewayPools } from './pools.js'
import type { ConfigSource } from './reload/config-source.js'
import { Reloads } from './reload/reloads.js'
import { checkTlsFiles } from './tls-files.js'

export interface MainThreadOptions {
  settings: Settings
  logger: Logger
  source: ConfigSource
  /** Destination of the logger's lines, where it counts the lines that it drops. */
  log: Pick<LogStream, 'dropped'> | undefined
  /** Brings another configuration into force. */
  apply: (next: GatewayConfig) => Promise<void>
  /** Called when the keys of a URL have changed; undefined where there are none any more. */
  onKeys?: (url: string, keySet: KeySet | undefined) => void
}

/** What the main thread of a gateway has, whether it carries the traffic itself or other threads do. */
export class MainThread {
  readonly reloads: Reloads
  readonly services: ControlServices
  readonly #options: MainThreadOptions
  readonly #metrics: Registry | undefined
  readonly #stores: PoolStores

  private constructor(options: MainThreadOptions, stores: PoolStores) {
    const { settings, logger, source, log, apply, onKeys } = options
    this.#options = options
    this.#stores = stores
    this.reloads = new Reloads(source, apply, logger)
    this.#metrics = source.config.admin === 'off' ? undefined : pageRegistry()
    if (this.#metrics && log) countDroppedLines(this.#metrics, log.dropped)
    checkTlsFiles(settings)
    this.services = new ControlServices(logger as FastifyBaseLogger, this.#metrics, onKeys, stores.counter)
  }

  /** @throws {SettingError | StoreError | ListenError} */
  static async open(options: MainThreadOptions): Promise<MainThread> {
    const { settings, source } = options
    const stores = new PoolStores(settings, source.config)
    const thread = new MainThread(options, stores)
    // The ports are tried first, so that a start that fails does not take the state file from a gateway that serves on
    // these ports.
    if (settings.stateFile !== '' || settings.store !== '') await probePorts(source.config)
    await stores.open()
    return thread
  }

  /** Opens a pool. @throws {SettingError | StoreError} */
  openPool(
    { name, settings }: PoolConfig,
    options: Pick<PoolOptions, 'accessLog' | 'workers' | 'closeIdleClients'>,
  ): Promise<Pool> {
    return Pool.open({
      ...options,
      name,
      settings,
      log: this.#options.logger as FastifyBaseLogger,
      registries: this.#metrics ? [this.#metrics] : [],
      store: this.#stores.of(name),
      shared: undefined,
    })
  }

  /** Makes the admin app; undefined where there is no admin API. */
  async adminApp(pools: GatewayPools): Promise<FastifyInstance | undefined> {
    if (!this.#metrics) return undefined
    const { settings, logger } = this.#options
    return await createAdminApp(() => this.reloads.config, settings, logger, {
      pools: pools.balancers,
      control: gatewayControl(this.reloads, pools, this.services),
      metrics: this.#metrics,
      gatewayId: settings.gatewayId,
    })
  }

  /** To be called when the pools are closed. */
  async close(): Promise<void> {
    this.services.close()
    await this.#stores.close()
  }
}
