import type { FastifyPluginAsync } from 'fastify'
import type { Registry } from 'prom-client'
import { adminAuthPlugin } from '../plugins/admin-auth.js'
import { openapiPlugin } from '../plugins/openapi.js'
import { readJsonBody } from '../src/admin/contract/json-body.js'
import { validatorCompiler } from '../src/admin/contract/validation.js'
import { UnsupportedMediaTypeError } from '../src/admin/errors.js'
import { Feeds } from '../src/admin/event-feed/feeds.js'
import { AdminPools } from '../src/admin/pools.js'
import type { Balancer } from '../src/balancer/balancer.js'
import { sendError } from '../src/proxy/downstream/errors/error-response.js'
import { notFound } from '../src/proxy/downstream/errors/errors.js'
import { backendRoutes } from './backends.js'
import { dashboardRoutes } from './dashboard.js'
import { decisionRoutes } from './decisions.js'
import { docsRoutes } from './docs.js'
import { eventRoutes } from './events.js'
import { explainRoutes } from './explain.js'
import { metricsRoutes } from './metrics.js'
import { policyRoutes } from './policy.js'
import { poolRoutes } from './pool.js'
import { poolsRoutes } from './pools.js'
import { statusRoutes } from './status.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** In the admin API: the pool to which a call applies. @throws {PoolNotFoundError} */
    poolOf(request: FastifyRequest): Balancer
    /** In the admin API: hands on the response document of a change once the change is stored, if the pool has a store. */
    saved<T>(pool: Balancer, document: T): Promise<T>
  }
}

export interface AdminOptions {
  /** The pools that the API administers, by name: at least one. */
  pools: ReadonlyMap<string, Balancer>
  token: string | undefined
  /** The registry whose metrics `/metrics` shows. */
  metrics?: Registry | undefined
}

/** The admin API of some pools. It has its own validation and errors; the host app's do not apply to it. */
export const adminRoutes: FastifyPluginAsync<AdminOptions> = async (scope, options) => {
  const { token, metrics } = options
  const pools = new AdminPools(options.pools)
  const feeds = new Feeds(pools.entries().map(([, pool]) => pool))
  // Readers of the feed never leave by themselves, and neither the gateway's shutdown nor the app's close waits for
  // them.
  scope.addHook('preClose', async () => feeds.close())
  scope.decorate('poolOf', (request) => pools.of(request))
  scope.decorate('saved', async <T>(pool: Balancer, document: T) => {
    await pool.keeper?.saved()
    return document
  })
  // Fastify's default would silently drop unknown fields and turn "5" into 5.
  scope.setValidatorCompiler(validatorCompiler)
  // The app's own serializer might not understand these schemas.
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
  // Where every field of a body is optional, the body itself is optional, too.
  scope.addHook('preValidation', async (request) => {
    if (request.body === undefined && request.method !== 'GET' && request.method !== 'HEAD') request.body = {}
  })

  await scope.register(adminAuthPlugin, { token })
  await scope.register(openapiPlugin, { token })
  await scope.register(docsRoutes)
  await scope.register(dashboardRoutes)
  await scope.register(poolsRoutes, { pools })
  // Each call of a pool has two paths: with the pool's name, and without it for the pool `default`, or the only one.
  for (const prefix of ['', '/pools/:pool']) {
    await scope.register(backendRoutes, { prefix })
    await scope.register(policyRoutes, { prefix })
    await scope.register(poolRoutes, { prefix })
    await scope.register(explainRoutes, { prefix })
    await scope.register(decisionRoutes, { prefix })
    if (metrics) await scope.register(metricsRoutes, { prefix, metrics })
    await scope.register(statusRoutes, { prefix })
    await scope.register(eventRoutes, { prefix, feeds })
  }
  // Without this route a proxied route above might take requests for unknown paths, with the token in their header.
  const schema = { hide: true }
  scope.all('/*', { schema }, notFound)
  // An app that ignores trailing slashes has no separate route with a trailing slash.
  const roots = [`${scope.prefix}/`, scope.prefix]
  const others = scope.supportedMethods.filter(
    (method) => !roots.some((url) => url !== '' && scope.hasRoute({ method, url })),
  )
  scope.route({ method: others, url: '/', schema, handler: notFound })
}
