import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Balancer } from '../src/balancer/balancer.js'
import { ObserverGuard } from '../src/balancer/observer-guard.js'
import { openPool } from '../src/config/open-pool.js'
import { optionLabel, refuseOption } from '../src/config/option-error.js'
import type { MetricsRegistry, ParsedOptions } from '../src/config/plugin-options.js'
import { poolTlsOf, refusedFile } from '../src/config/pool-tls.js'
import type { PoolSettings } from '../src/config/settings.js'
import { closeIdle } from '../src/proxy/downstream/connection/idle-connections.js'
import { registerRoutes } from '../src/proxy/downstream/host-app/register-routes.js'
import { routeUpgrades } from '../src/proxy/downstream/upgrade/upgrade.js'
import { trustOf, trustOfApp } from '../src/proxy/http/trust.js'
import { watchNames } from '../src/proxy/upstream/dns/backend-names.js'
import { systemNames } from '../src/proxy/upstream/dns/host-lookup.js'
import { TlsFileError } from '../src/proxy/upstream/tls/pem-files.js'
import { UpstreamTls } from '../src/proxy/upstream/tls/upstream-tls.js'
import { logRequest } from '../src/telemetry/access-log.js'
import { logChanges } from '../src/telemetry/change-log.js'
import { exhaustionLog } from '../src/telemetry/exhaustion-log.js'
import { meter } from '../src/telemetry/metrics/meter.js'
import { logFileChange, warnOfUncheckedTls } from '../src/telemetry/tls-log.js'
import { balancerPlugin } from './balancer.js'
import { healthPlugin } from './health.js'
import { proxyPlugin } from './proxy.js'

export interface PoolPluginOptions extends Omit<ParsedOptions, 'admin' | 'metrics'> {
  /** Registries that get the pool's metrics. Where there is none, nothing is counted. */
  registries: readonly MetricsRegistry[]
}

/**
 * One pool in an app: its balancer, its health checks, its proxied routes and upgrades, and its logs and metrics. The
 * code that registers this plugin adds the admin API.
 * @throws {SettingError} for backends that cannot be registered, files that cannot be used, and for a prefix whose routes are taken
 */
export const poolPlugin = fp<PoolPluginOptions>(
  async (app, { settings, ...options }) => {
    const { name, prefix, workers, shared } = options
    const tls = openTls(app, name, settings)
    const onObserverError = observerLog(app, name)
    const threads = { workers, shared, onObserverError, verifyTls: tls.verify }
    const balancer = await openPool({ ...settings, ...threads }, options.store)
    tls.follow(balancer.registry)
    await app.register(balancerPlugin, { balancer, name, drainTimeout: settings.drainTimeout })
    const onFailed = exhaustionGuard(app, balancer, name)
    // What has to be done once is not done in each worker.
    if (!shared) {
      await app.register(healthPlugin, {
        balancer,
        onFailed,
        tlsOptionsOf: tls.optionsOf,
        ...checksOf(settings),
      })
      logChanges(app, balancer, name)
      warnOfUncheckedTls(app.log, name, balancer.registry, settings.upstreamRejectUnauthorized)
    }
    const { registries } = options
    const count = meter(app, { name, balancer, registries, shared })
    if (workers > 0) {
      // The other threads carry the traffic.
      const stopNames = watchNames(balancer.registry, systemNames)
      app.addHook('onClose', async () => stopNames())
      return
    }
    const proxyOptions = {
      prefix,
      balancer,
      name,
      app,
      methods: options.methods,
      constraints: options.constraints,
      appAnswersErrors: options.errors === 'app',
      rewritePrefix: options.rewritePrefix,
      observers: [...(options.accessLog ? [logRequest] : []), ...(count ? [count] : [])],
      maxBody: settings.maxBody,
      requestBuffer: settings.requestBuffer,
      maxResponseHeaders: settings.maxResponseHeaders,
      keepAlive: settings.upstreamKeepAlive,
      maxConnectionAge: settings.maxConnectionAge,
      retries: settings.retries,
      tlsOptionsOf: tls.optionsOf,
      onFailed,
      onRefused(host: string | undefined) {
        balancer.registry.refusedHost = host
      },
      failureStatus: settings.failureStatus === 'off' ? '' : settings.failureStatus,
      retryStatus: settings.retryStatus,
      hostHeader: settings.hostHeader,
      trust: options.trustProxy === undefined ? trustOfApp(app) : trustOf(options.trustProxy),
      underscoreHeaders: settings.underscoreHeaders,
      isNamedInVia: settings.via === 'on',
      restoresPrefix: options.internalRewriteLocationHeader,
      maxEventLoopDelay: settings.maxEventLoopDelay,
      maxHeapBytes: settings.maxHeapBytes,
      timeouts: {
        connect: settings.connectTimeout,
        response: settings.responseTimeout,
        body: settings.bodyTimeout,
      },
    }
    await registerRoutes(app, proxyPlugin, proxyOptions, (why) => refuseOption('prefix', prefix, why))
    routeUpgrades(app, {
      prefix: (app.prefix + prefix).replace(/\/+$/, ''),
      foreign: options.foreignUpgrades,
    })
  },
  { name: 'leastwise-pool', fastify: '5.x' },
)

/** The settings of active checks. */
function checksOf(settings: PoolSettings) {
  return {
    path: settings.healthPath,
    port: settings.healthPort,
    host: settings.healthHost,
    hostHeader: settings.hostHeader,
    interval: settings.healthInterval,
    timeout: settings.healthTimeout,
    status: settings.healthStatus,
    rise: settings.healthRise,
    fall: settings.healthFall,
  }
}

/** Reads the pool's files for TLS with backends, and looks at them until the app has closed. @throws {SettingError} */
function openTls(app: FastifyInstance, pool: string, settings: PoolSettings): UpstreamTls {
  const guard = new ObserverGuard(observerLog(app, pool))
  try {
    const tls = new UpstreamTls(poolTlsOf(settings), undefined, (change) =>
      guard.call(() => logFileChange(app.log, pool, change)),
    )
    app.addHook('onClose', async () => tls.close())
    return tls
  } catch (error) {
    throw error instanceof TlsFileError ? refusedFile(error, optionLabel) : error
  }
}

/** Logs an error that a listener of the pool threw; requests go on. */
function observerLog(app: FastifyInstance, pool: string) {
  return (err: unknown) =>
    app.log.error({ pool, event: 'observer failed', err }, 'an observer threw; requests go on without it')
}

/** Handles a failed attempt: where the process itself has run out of a resource, it logs that and frees descriptors. */
function exhaustionGuard(app: FastifyInstance, balancer: Balancer, pool: string) {
  const logExhaustion = exhaustionLog(app.log, balancer.clock, pool)
  return (error: Error) =>
    balancer.observerGuard.call(() => {
      if (!logExhaustion(error)) return
      // Idle clients hold descriptors that clients which wait for a backend need.
      closeIdle(app.server)
    })
}
