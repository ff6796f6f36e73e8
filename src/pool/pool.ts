// Over 200 lines: all parts of a pool in use, and how each takes other settings.
import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { FastifyBaseLogger } from 'fastify'
import type { Balancer } from '../balancer/balancer.js'
import type { Checks } from '../balancer/health/checks.js'
import { ObserverGuard } from '../balancer/observer-guard.js'
import type { BackendStore } from '../balancer/state/store.js'
import type { PoolHandle } from '../balancer/threads/messages.js'
import { openPool } from '../config/open-pool.js'
import type { MetricsRegistry } from '../config/plugin-options.js'
import { poolTlsOf } from '../config/pool-tls.js'
import type { PoolSettings } from '../config/settings.js'
import { LeaseDispatcher } from '../proxy/upstream/dispatcher.js'
import { watchNames } from '../proxy/upstream/dns/backend-names.js'
import { systemNames } from '../proxy/upstream/dns/host-lookup.js'
import type { UpstreamTls } from '../proxy/upstream/tls/upstream-tls.js'
import { logRequest } from '../telemetry/access-log.js'
import { logChanges } from '../telemetry/change-log.js'
import { meter } from '../telemetry/metrics/meter.js'
import type { RequestObserver } from '../telemetry/record.js'
import { warnOfUncheckedTls } from '../telemetry/tls-log.js'
import { loadTracing } from '../telemetry/tracing/load-tracing.js'
import type { Tracing } from '../telemetry/tracing/tracing.js'
import { PoolAffinity, shareAffinitySecret } from './affinity.js'
import { checksOf, haveSameChecks } from './checks.js'
import { exhaustionGuard } from './exhaustion-guard.js'
import { forwardingOptionsOf } from './forwarding-options.js'
import type { PreparedSettings } from './prepared-settings.js'
import { openTls } from './tls.js'

export interface PoolOptions {
  /** Name of the pool, unique in the app or the gateway. */
  name: string
  settings: PoolSettings
  log: FastifyBaseLogger
  /** Registries that get the pool's metrics. Where there is none, nothing is counted. */
  registries: readonly MetricsRegistry[]
  /** Whether each request is logged in one line. */
  accessLog: boolean
  store: BackendStore | undefined
  /** Largest number of other threads that carry the pool's traffic; 0 where this thread carries it. */
  workers: number
  /** The handle of a pool that another thread controls; undefined for every other pool. */
  shared: PoolHandle | undefined
  /** Closes idle connections of clients, where file descriptors have run out. */
  closeIdleClients(): void
}

/**
 * A pool of backends that is in use: it chooses and counts, it has the connections to the backends, checks them, and
 * logs and measures what happens. Which requests it gets is decided elsewhere, and may change while it is in use.
 */
export class Pool {
  readonly name: string
  readonly balancer: Balancer
  /** Sends requests to the backends; undefined where other threads carry the traffic. */
  readonly dispatcher: LeaseDispatcher | undefined
  /** Are called with each request when it is over. */
  readonly observers: readonly RequestObserver[]
  /** A name that no other pool has, for Via: a pool may be the backend of another pool, but not of itself. */
  readonly viaName = `leastwise-${randomBytes(4).toString('hex')}`
  /** Makes spans of requests; undefined where the package for that is not installed. */
  readonly tracing: Tracing | undefined
  readonly #options: PoolOptions
  #tls: UpstreamTls
  #affinity: PoolAffinity
  readonly #onFailed: (error: Error) => void
  readonly #hideMetrics: () => void
  readonly #ends: (() => void)[] = []
  #settings: PoolSettings
  #checks: Checks | undefined
  #isStarted = false

  private constructor(options: PoolOptions, balancer: Balancer, tls: UpstreamTls, tracing?: Tracing) {
    const { name, settings, log, registries, shared, workers, accessLog } = options
    this.name = name
    this.balancer = balancer
    this.#options = options
    this.#settings = settings
    this.#tls = tls
    this.tracing = tracing
    this.#onFailed = exhaustionGuard(options, balancer)
    tls.follow(balancer.registry)
    if (balancer.workers) shareAffinitySecret(balancer.workers.table.buffers)
    this.#affinity = new PoolAffinity(name, balancer.registry, settings, shared?.table)
    // What has to be done once is not done in each worker.
    if (!shared) {
      logChanges(log, balancer, name)
      warnOfUncheckedTls(log, name, balancer.registry, settings.upstreamRejectUnauthorized)
    }
    const { observe, stop } = meter({ name, balancer, registries, shared })
    this.#hideMetrics = stop
    this.observers = [...(accessLog ? [logRequest] : []), ...(observe ? [observe] : [])]
    if (workers > 0) {
      // The other threads carry the traffic.
      this.#ends.push(watchNames(balancer.registry, systemNames))
      return
    }
    const dispatcher = new LeaseDispatcher({
      ...forwardingOptionsOf(settings),
      balancer,
      tlsOptionsOf: (backend) => this.#tls.optionsOf(backend),
      onFailed: this.#onFailed,
    })
    this.dispatcher = dispatcher
    this.#ends.push(() => dispatcher.destroy())
  }

  /**
   * Makes a pool, with the state that its store has kept.
   * @throws {SettingError} for backends that cannot be registered, and for files that cannot be used
   * @throws {StoreError} if the store cannot be read
   */
  static async open(options: PoolOptions): Promise<Pool> {
    const { name, settings, log, workers, shared, store } = options
    const onObserverError = (err: unknown) =>
      log.error({ pool: name, event: 'observer failed', err }, 'an observer threw; requests go on without it')
    const tls = openTls(settings, name, log, new ObserverGuard(onObserverError))
    try {
      // Other files for TLS may come into force later.
      let pool: Pool | undefined
      const verifyTls: UpstreamTls['verify'] = (own) => (pool ? pool.#tls : tls).verify(own)
      const threads = { workers, shared, onObserverError, verifyTls }
      const tracing = await loadTracing()
      pool = new Pool(options, await openPool({ ...settings, ...threads }, store), tls, tracing)
      return pool
    } catch (error) {
      tls.close()
      throw error
    }
  }

  /** The settings in force. */
  get settings(): PoolSettings {
    return this.#settings
  }

  /** Finds the keys by which backends are chosen. */
  get affinity(): PoolAffinity {
    return this.#affinity
  }

  /** Begins to check the backends. */
  start(): void {
    this.#isStarted = true
    this.#startChecks()
  }

  /**
   * Makes ready for other settings. Routes that are made from now on have them, and the pool itself goes by them once
   * they come into force.
   * @throws {SettingError | InvalidBackendError | BackendExistsError | UnknownPolicyError} if they are not acceptable; then
   *   nothing has changed
   */
  prepare(settings: PoolSettings): PreparedSettings {
    const before = this.#settings
    const tlsBefore = this.#tls
    const isSameTls = isDeepStrictEqual(poolTlsOf(settings), poolTlsOf(before))
    const tls = isSameTls
      ? tlsBefore
      : openTls(settings, this.name, this.#options.log, this.balancer.observerGuard)
    const check = () => this.#check(settings, tls)
    try {
      check()
    } catch (error) {
      if (!isSameTls) tls.close()
      throw error
    }
    this.#useForRoutes(settings)
    return {
      check,
      rollback: () => {
        if (!isSameTls) tls.close()
        this.#useForRoutes(before)
      },
      commit: () => {
        this.#tls = tls
        // A worker follows the control plane.
        if (!this.#options.shared) this.balancer.configure(settings)
        if (!isSameTls) {
          tlsBefore.close()
          tls.follow(this.balancer.registry)
        }
        // Checks that stay the same go on, so that a backend is checked as often as before.
        if (!this.#isStarted || (isSameTls && haveSameChecks(before, settings))) return
        this.#checks?.stop()
        this.#startChecks()
      },
    }
  }

  /** Stores what was not stored yet, and gives the store free for another pool. */
  async closeStore(): Promise<void> {
    await this.balancer.keeper?.close()
  }

  /** Ends the pool, which gets no new requests, once those in flight are over, or the time for a drain is. */
  async retire(): Promise<void> {
    // Another pool may have its name from now on.
    this.#hideMetrics()
    await this.closeStore()
    await this.balancer.retire()
    await this.close()
  }

  /** Ends the pool: cuts what is in flight, closes the connections, and stores what was not stored yet. */
  async close(): Promise<void> {
    this.#checks?.stop()
    this.#hideMetrics()
    for (const end of this.#ends) end()
    this.#tls.close()
    // The store is closed before the pool forgets which backends leave once they have no request.
    try {
      await this.balancer.keeper?.close()
    } finally {
      this.balancer.close()
    }
    await this.tracing?.flush()
  }

  /** @throws if the settings cannot come into force with these files for TLS */
  #check(settings: PoolSettings, tls: UpstreamTls): void {
    const before = this.#tls
    this.#tls = tls
    try {
      if (!this.#options.shared) this.balancer.configuration.check(settings)
    } finally {
      this.#tls = before
    }
  }

  #useForRoutes(settings: PoolSettings): void {
    this.#settings = settings
    this.#affinity = new PoolAffinity(
      this.name,
      this.balancer.registry,
      settings,
      this.#options.shared?.table,
    )
    this.dispatcher?.configure(forwardingOptionsOf(settings))
  }

  #startChecks(): void {
    // What has to be done once is not done in each worker.
    if (this.#options.shared) return
    this.#checks = checksOf(this.balancer, this.#settings, this.#tls.optionsOf, this.#onFailed)
    this.#checks?.start()
  }
}
