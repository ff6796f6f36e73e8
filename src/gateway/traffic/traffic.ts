import type { Logger } from 'pino'
import type { GatewayConfig } from '../../config/file/gateway-config.js'
import type { Settings } from '../../config/settings.js'
import { trafficAddresses } from '../listeners.js'
import type { GatewayPools } from '../pools.js'
import { finishRequests } from './finish-requests.js'
import type { RouteServices } from './route-services.js'
import { createTrafficApp, type TrafficApp } from './traffic-app.js'
import { TrafficListeners } from './traffic-listeners.js'

/** A configuration that is ready to come into force in this thread. */
export interface PreparedTraffic {
  /** The ports of the listeners, in the order of the configuration. */
  readonly ports: readonly number[]
  /** Brings it into force. @throws if it cannot come into force any more; then nothing has changed, and it can be given up */
  commit(): void
  /** Gives it up. */
  rollback(): Promise<void>
}

export interface TrafficOptions {
  settings: Settings
  logger: Logger
  pools: GatewayPools
  services: RouteServices
  /** True if other threads listen on the same ports. */
  reusePort: boolean
  /** Called with errors of listeners, such as a connection that cannot be accepted. */
  onListenerError(error: Error): void
}

/** The traffic that this thread carries: pools, an app with the routes to them, and listeners. */
export class Traffic {
  readonly #options: TrafficOptions
  readonly listeners: TrafficListeners
  #app: TrafficApp

  private constructor(options: TrafficOptions, app: TrafficApp) {
    this.#options = options
    this.#app = app
    const { settings, logger, onListenerError } = options
    this.listeners = new TrafficListeners(settings, app, {
      onOpened: (origin) => logger.info(`Server listening at ${origin}`),
      onError: onListenerError,
    })
  }

  /** Makes the pools and the app of the first configuration. Nothing listens yet. */
  static async open(config: GatewayConfig, options: TrafficOptions): Promise<Traffic> {
    const { settings, logger, pools, services } = options
    const prepared = await pools.prepare(config.pools)
    prepared.commit()
    return new Traffic(options, await createTrafficApp(config, settings, logger, prepared.pools, services))
  }

  /**
   * Opens the listeners.
   * @param ports the ports of the listeners where other threads have opened them already
   * @throws {ListenError}
   */
  async listen(config: GatewayConfig, ports?: readonly number[]): Promise<void> {
    const prepared = await this.#prepareListeners(config, ports)
    prepared.commit()
  }

  /**
   * Makes everything that another configuration needs, while the present one is in force.
   * @param ports the ports of the listeners where other threads have opened them already
   * @throws if the configuration cannot come into force; then nothing has changed
   */
  async prepare(config: GatewayConfig, ports?: readonly number[]): Promise<PreparedTraffic> {
    const { settings, logger, pools, services } = this.#options
    const undo: (() => Promise<void>)[] = []
    const rollback = async () => {
      for (const back of undo.reverse()) await back()
    }
    try {
      const listeners = await this.#prepareListeners(config, ports)
      undo.push(listeners.rollback)
      const next = await pools.prepare(config.pools)
      undo.push(next.rollback)
      const app = await createTrafficApp(config, settings, logger, next.pools, services)
      undo.push(app.close)
      return {
        ports: listeners.ports,
        rollback,
        commit: () => {
          next.commit()
          const before = this.#app
          this.#app = app
          this.listeners.use(app)
          listeners.commit()
          // Requests that the app before has begun with go on.
          before.close().catch((err) => logger.error({ err }, 'the routes before could not be closed'))
        },
      }
    } catch (error) {
      await rollback()
      throw error
    }
  }

  #prepareListeners(config: GatewayConfig, ports?: readonly number[]) {
    const addresses = trafficAddresses(config).map((address, i) => ({ ...address, shared: ports?.[i] }))
    return this.listeners.prepare(addresses, this.#options.reusePort)
  }

  /**
   * Accepts no new connection, waits until all requests are over, and cuts the remaining ones at the time limit.
   * @param timeout milliseconds
   * @returns how many requests were cut
   */
  finish(timeout: number): Promise<number> {
    return finishRequests(this.listeners, () => this.#options.pools.all(), timeout)
  }

  async close(): Promise<void> {
    await this.#app.close()
    await this.#options.pools.close()
  }
}
