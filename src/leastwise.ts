import type { FastifyError, FastifyInstance, FastifyPluginAsync } from 'fastify'
import { balancerPlugin } from '../plugins/balancer.js'
import { healthPlugin } from '../plugins/health.js'
import { proxyPlugin } from '../plugins/proxy.js'
import { adminRoutes } from '../routes/admin.js'
import { openPool } from './config/open-pool.js'
import { optionLabel } from './config/option-error.js'
import { parseOptions } from './config/parse-options.js'
import type { LeastwiseOptions } from './config/plugin-options.js'
import { SettingError } from './config/setting-error.js'
import { RoutesTakenError } from './proxy/downstream/host-app/own-routes.js'
import { routeUpgrades } from './proxy/downstream/upgrade/upgrade.js'
import { trustOf, trustOfApp } from './proxy/http/trust.js'
import { logRequest } from './telemetry/access-log.js'
import { logChanges } from './telemetry/change-log.js'
import { exhaustionLog } from './telemetry/exhaustion-log.js'
import { meter } from './telemetry/metrics/meter.js'
import { pageRegistry } from './telemetry/metrics/process.js'

/** Puts a pool into an app: the decorators, the proxied routes under a prefix, the admin API where asked for. */
export async function poolPlugin(app: FastifyInstance, given: LeastwiseOptions): Promise<void> {
  const { name, prefix, rewritePrefix, admin, accessLog, metrics, store, settings, ...routes } = parseOptions(
    given,
    app,
  )
  const options = {
    ...settings,
    onObserverError: (err: unknown) =>
      app.log.error(
        { pool: name, event: 'observer failed', err },
        'an observer threw; requests go on without it',
      ),
  }
  const balancer = await openPool(options, store)

  await app.register(balancerPlugin, { balancer, name, drainTimeout: settings.drainTimeout })
  const logLack = exhaustionLog(app.log, balancer.clock, name)
  const onFailed = (error: Error) =>
    balancer.observerGuard.call(() => {
      if (!logLack(error)) return
      // Clients that wait for nothing hold descriptors that those who wait for a backend need.
      if ('closeIdleConnections' in app.server) app.server.closeIdleConnections()
    })
  let refusedHost: string | undefined
  await app.register(healthPlugin, {
    balancer,
    onFailed,
    path: settings.healthPath,
    port: settings.healthPort,
    host: settings.healthHost,
    hostHeader: settings.hostHeader,
    refusedHost: () => refusedHost,
    interval: settings.healthInterval,
    timeout: settings.healthTimeout,
    status: settings.healthStatus,
    rise: settings.healthRise,
    fall: settings.healthFall,
  })
  logChanges(app, balancer, name)
  const page = admin && pageRegistry()
  const registries = [metrics, page].filter((registry) => registry !== undefined)
  // Where nobody can ask nothing is counted.
  const metered = registries.length > 0 ? [meter(app, { name, balancer, registries })] : []
  await registerRoutes('prefix', prefix, app, proxyPlugin, {
    balancer,
    name,
    app,
    methods: routes.methods,
    constraints: routes.constraints,
    appAnswersErrors: routes.errors === 'app',
    rewritePrefix,
    observers: [...(accessLog ? [logRequest] : []), ...metered],
    maxBody: settings.maxBody,
    maxResponseHeaders: settings.maxResponseHeaders,
    retries: settings.retries,
    onFailed,
    onRefused(host) {
      refusedHost = host
    },
    failureStatus: settings.failureStatus === 'off' ? '' : settings.failureStatus,
    retryStatus: settings.retryStatus,
    hostHeader: settings.hostHeader,
    // Where nothing is said, whom the app trusts.
    trust: routes.trustProxy === undefined ? trustOfApp(app) : trustOf(routes.trustProxy),
    underscoreHeaders: settings.underscoreHeaders,
    isNamedInVia: settings.via === 'on',
    restoresPrefix: routes.internalRewriteLocationHeader,
    maxEventLoopDelay: settings.maxEventLoopDelay,
    maxHeapBytes: settings.maxHeapBytes,
    timeouts: {
      connect: settings.connectTimeout,
      response: settings.responseTimeout,
      body: settings.bodyTimeout,
    },
  })
  routeUpgrades(app, {
    prefix: (app.prefix + prefix).replace(/\/+$/, ''),
    foreign: routes.foreignUpgrades,
  })
  if (admin) {
    const { token } = admin
    await registerRoutes('admin.prefix', admin.prefix, app, adminRoutes, { balancer, token, metrics: page })
  }
}

async function registerRoutes<O extends object>(
  option: string,
  prefix: string,
  app: FastifyInstance,
  routes: FastifyPluginAsync<O>,
  options: O,
): Promise<void> {
  try {
    await app.register(routes, { ...options, prefix })
  } catch (error) {
    const { code, message } = error as FastifyError
    if (!(error instanceof RoutesTakenError) && code !== 'FST_ERR_DUPLICATED_ROUTE') throw error
    throw new SettingError(optionLabel(option), `does not accept "${prefix}": ${message}`)
  }
}
