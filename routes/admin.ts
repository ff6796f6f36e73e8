import type { FastifyPluginAsync } from 'fastify'
import type { Registry } from 'prom-client'
import { adminAuthPlugin } from '../plugins/admin-auth.js'
import { openapiPlugin } from '../plugins/openapi.js'
import { readJsonBody } from '../src/admin/contract/json-body.js'
import { validatorCompiler } from '../src/admin/contract/validation.js'
import type { Balancer } from '../src/balancer/balancer.js'
import { sendError } from '../src/proxy/downstream/errors/error-response.js'
import { notFound, UnsupportedMediaTypeError } from '../src/proxy/downstream/errors/errors.js'
import { backendRoutes } from './backends.js'
import { dashboardRoutes } from './dashboard.js'
import { decisionRoutes } from './decisions.js'
import { docsRoutes } from './docs.js'
import { eventRoutes } from './events.js'
import { explainRoutes } from './explain.js'
import { metricsRoutes } from './metrics.js'
import { policyRoutes } from './policy.js'
import { poolRoutes } from './pool.js'
import { statusRoutes } from './status.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** In the admin API: the answer to a change, once that is stored where the pool has a store. */
    saved<T>(answer: T): Promise<T>
  }
}

export interface AdminOptions {
  balancer: Balancer
  token: string | undefined
  /** What `/metrics` shows. */
  metrics?: Registry | undefined
}

/** The admin API of one pool. It brings its own validation and errors: the host app's do not apply here. */
export const adminRoutes: FastifyPluginAsync<AdminOptions> = async (scope, { balancer, token, metrics }) => {
  scope.decorate('balancer', balancer)
  scope.decorate('saved', async <T>(answer: T) => {
    await balancer.keeper?.saved()
    return answer
  })
  // Fastify's default would drop unknown fields in silence and turn "5" into 5.
  scope.setValidatorCompiler(validatorCompiler)
  // The app's own might not know these schemas.
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
  // Where every field is optional the body is, too.
  scope.addHook('preValidation', async (request) => {
    if (request.body === undefined && request.method !== 'GET' && request.method !== 'HEAD') request.body = {}
  })

  await scope.register(adminAuthPlugin, { token })
  await scope.register(openapiPlugin, { token })
  await scope.register(backendRoutes)
  await scope.register(policyRoutes)
  await scope.register(poolRoutes)
  await scope.register(explainRoutes)
  await scope.register(decisionRoutes)
  if (metrics) await scope.register(metricsRoutes, { metrics })
  await scope.register(statusRoutes)
  await scope.register(docsRoutes)
  await scope.register(eventRoutes)
  await scope.register(dashboardRoutes)
  // Otherwise a proxied route above might take what is not here, with the token in its header.
  const schema = { hide: true }
  scope.all('/*', { schema }, notFound)
  // An app that ignores a slash at the end has no route with one.
  const roots = [`${scope.prefix}/`, scope.prefix]
  const others = scope.supportedMethods.filter(
    (method) => !roots.some((url) => url !== '' && scope.hasRoute({ method, url })),
  )
  scope.route({ method: others, url: '/', schema, handler: notFound })
}
