import fp from 'fastify-plugin'
import { refuseOption } from '../src/config/option-error.js'
import type { MetricsRegistry, ParsedOptions } from '../src/config/plugin-options.js'
import { Pool } from '../src/pool/pool.js'
import { rulesFor } from '../src/pool/rules.js'
import { closeIdle } from '../src/proxy/downstream/connection/idle-connections.js'
import { registerRoutes } from '../src/proxy/downstream/host-app/register-routes.js'
import { routeUpgrades } from '../src/proxy/downstream/upgrade/upgrade.js'
import { passedOn } from '../src/proxy/http/methods.js'
import { trustOf, trustOfApp } from '../src/proxy/http/trust.js'
import { balancerPlugin } from './balancer.js'
import { proxyPlugin } from './proxy.js'

export interface PoolPluginOptions extends Omit<ParsedOptions, 'admin' | 'metrics'> {
  /** Registries that get the pool's metrics. Where there is none, nothing is counted. */
  registries: readonly MetricsRegistry[]
}

/**
 * One pool in an app, which begins and ends with the app, with its proxied routes and upgrades. The code that registers
 * this plugin adds the admin API.
 * @throws {SettingError} for backends that cannot be registered, files that cannot be used, and for a prefix whose routes are taken
 */
export const poolPlugin = fp<PoolPluginOptions>(
  async (app, { settings, ...options }) => {
    const { name, prefix, workers, shared, store, registries, accessLog, methods } = options
    const pool = await Pool.open({
      name,
      settings,
      log: app.log,
      registries,
      accessLog,
      store: store?.forPool?.(name) ?? store,
      workers,
      shared,
      closeIdleClients: () => closeIdle(app.server),
    })
    await app.register(balancerPlugin, { pool, drainTimeout: settings.drainTimeout })
    app.addHook('onReady', async () => pool.start())
    // The other threads carry the traffic.
    if (workers > 0) return
    const trust = options.trustProxy === undefined ? trustOfApp(app) : trustOf(options.trustProxy)
    const route = {
      name: undefined,
      rewritePrefix: options.rewritePrefix,
      restoresPrefix: options.internalRewriteLocationHeader,
      methods: methods ?? passedOn,
      trust,
    }
    const proxyOptions = {
      prefix,
      name,
      app,
      methods,
      constraints: options.constraints,
      appAnswersErrors: options.errors === 'app',
      bodyTimeout: settings.bodyTimeout,
      maxEventLoopDelay: settings.maxEventLoopDelay,
      maxHeapBytes: settings.maxHeapBytes,
      rules: (scope: Parameters<typeof rulesFor>[2], segments: number) =>
        rulesFor(pool, { ...route, segments }, scope),
    }
    await registerRoutes(app, proxyPlugin, proxyOptions, (why) => refuseOption('prefix', prefix, why))
    routeUpgrades(app, {
      prefix: (app.prefix + prefix).replace(/\/+$/, ''),
      foreign: options.foreignUpgrades,
    })
  },
  { name: 'leastwise-pool', fastify: '5.x' },
)
