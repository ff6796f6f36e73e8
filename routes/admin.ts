import type { FastifyPluginAsync } from 'fastify'
import type { Registry } from 'prom-client'
import { type AdminAuthOptions, adminAuthPlugin } from '../plugins/admin-auth.js'
import { openapiPlugin } from '../plugins/openapi.js'
import { readJsonBody } from '../src/admin/contract/json-body.js'
import { validatorCompiler } from '../src/admin/contract/validation.js'
import { UnsupportedMediaTypeError } from '../src/admin/errors.js'
import { Feeds } from '../src/admin/event-feed/feeds.js'
import { AdminGateways } from '../src/admin/fleet.js'
import type { GatewayControl } from '../src/admin/gateway-control.js'
import { AdminPools } from '../src/admin/pools.js'
import type { Balancer } from '../src/balancer/balancer.js'
import { sendError } from '../src/proxy/downstream/errors/error-response.js'
import { notFound } from '../src/proxy/downstream/errors/errors.js'
import { backendRoutes } from './backends.js'
import { configRoutes } from './config.js'
import { dashboardRoutes } from './dashboard.js'
import { decisionRoutes } from './decisions.js'
import { docsRoutes } from './docs.js'
import { eventRoutes } from './events.js'
import { explainRoutes } from './explain.js'
import { gatewaysRoutes } from './gateways.js'
import { metricsRoutes } from './metrics.js'
import { policyRoutes } from './policy.js'
import { poolRoutes } from './pool.js'
import { poolsRoutes } from './pools.js'
import { routingRoutes } from './routing.js'
import { statusRoutes } from './status.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Returns the pool to which a call of the admin API applies. @throws {PoolNotFoundError} */
    poolOf(request: FastifyRequest): Balancer
  }
}

export interface AdminOptions {
  /** Pools that the API administers, by name, at least one. The map is read at each call, so pools may come and go. */
  pools: ReadonlyMap<string, Balancer>
  /** The gateway around the pools; undefined in an app, which then has no call about its configuration and routes. */
  control?: GatewayControl | undefined
  /** What this gateway is called where it shares no store; the name of its host and a random part if left out. */
  gatewayId?: string | undefined
  token: AdminAuthOptions['token']
  /** The registry whose metrics `/metrics` shows. */
  metrics?: Registry | undefined
}

/**
 * Serves the admin API of the given pools. The API validates requests and formats errors itself; the validation and the
 * error handler of the host app do not apply to its routes.
 */
export const adminRoutes: FastifyPluginAsync<AdminOptions> = async (scope, options) => {
  const { token, metrics, control } = options
  const pools = new AdminPools(options.pools)
  const feeds = new Feeds(pools.list())
  const unfollow = control?.onReload((reload) => feeds.reloaded(pools.list(), reload))
  // Readers of an event stream never close it themselves, and neither the gateway's shutdown nor the app's close waits
  // for them, so the API ends their streams here.
  scope.addHook('preClose', async () => {
    unfollow?.()
    feeds.close()
  })
  scope.decorate('poolOf', (request) => pools.of(request))
  // Fastify's default validator would silently drop unknown fields and turn the string "5" into the number 5.
  scope.setValidatorCompiler(validatorCompiler)
  // The serializer of the host app might not understand these schemas.
  scope.setSerializerCompiler(() => (data) => JSON.stringify(data))
  scope.setReplySerializer((data) => JSON.stringify(data))
  scope.setErrorHandler(sendError)
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, done) => {
    if (text === '') return done(null, undefined)
    try {
      done(null, readJsonBody(text as string))
    } catch (error) {
      done(error as Error)
    }
  })
  scope.addContentTypeParser('*', (_request, _payload, done) => done(new UnsupportedMediaTypeError()))
  // Where every field of a body is optional, a client may leave out the body itself, so a missing body counts as an
  // empty object.
  scope.addHook('preValidation', async (request) => {
    if (request.body === undefined && request.method !== 'GET' && request.method !== 'HEAD') request.body = {}
  })

  await scope.register(adminAuthPlugin, { token })
  await scope.register(openapiPlugin, { token, gateway: control !== undefined })
  await scope.register(docsRoutes)
  await scope.register(dashboardRoutes, { hasRoutes: control !== undefined })
  if (control) {
    await scope.register(configRoutes, { control })
    await scope.register(routingRoutes, { control })
  }
  await scope.register(gatewaysRoutes, { gateways: new AdminGateways(pools, options.gatewayId) })
  await scope.register(poolsRoutes, { pools })
  // Each call that concerns one pool has two paths: one with the pool's name, and one without it. The latter applies to
  // the pool `default` or, where there is only one pool, to that pool.
  for (const prefix of ['', '/pools/:pool']) {
    await scope.register(backendRoutes, { prefix })
    await scope.register(policyRoutes, { prefix })
    await scope.register(poolRoutes, { prefix })
    await scope.register(explainRoutes, { prefix })
    await scope.register(decisionRoutes, { prefix })
    if (metrics) await scope.register(metricsRoutes, { prefix, metrics })
    await scope.register(statusRoutes, { prefix, pools, ofAll: control !== undefined && prefix === '' })
    await scope.register(eventRoutes, { prefix, feeds })
  }
  // Without this route, the proxied routes of the host app could match an unknown path under the API's prefix and
  // forward the request, with the token in its header, to a backend.
  const schema = { hide: true }
  scope.all('/*', { schema }, notFound)
  // An app with `ignoreTrailingSlash` treats the prefix with and without a slash as one route, so only methods that
  // have no route yet are added.
  const roots = [`${scope.prefix}/`, scope.prefix]
  const others = scope.supportedMethods.filter(
    (method) => !roots.some((url) => url !== '' && scope.hasRoute({ method, url })),
  )
  scope.route({ method: others, url: '/', schema, handler: notFound })
}
