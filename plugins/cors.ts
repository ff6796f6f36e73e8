import type { FastifyCorsOptions } from '@fastify/cors'
import type { FastifyInstance, FastifyPluginCallback, FastifyRequest, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import type { CorsConfig } from '../src/config/file/gateway-config.js'

/**
 * Answers the preflight requests of browsers, and adds the fields of CORS to every response of a scope, errors of the
 * gateway included. An OPTIONS request that is no preflight goes to the backend.
 */
export const corsPlugin = fp<{ cors: CorsConfig }>(
  async (scope, { cors: config }) => {
    const { default: cors } = await import('@fastify/cors')
    const options = optionsOf(config)
    const answerPreflight = hookOf(cors, { ...options, preflight: true })
    const addFields = hookOf(cors, { ...options, preflight: false })
    scope.decorateRequest('corsPreflightEnabled', false)
    scope.addHook('onRequest', function (request, reply, done) {
      const hook = isPreflight(request) ? answerPreflight : addFields
      hook.call(this, request, reply, done)
    })
  },
  { name: 'leastwise-cors', fastify: '5.x' },
)

/** Whether a request asks in advance what another one may have, as the Fetch standard defines it. */
function isPreflight({ raw, headers }: FastifyRequest): boolean {
  return (
    raw.method === 'OPTIONS' &&
    headers.origin !== undefined &&
    headers['access-control-request-method'] !== undefined
  )
}

function optionsOf(config: CorsConfig): FastifyCorsOptions {
  const { origin, methods, allowedHeaders, exposedHeaders, credentials, maxAge } = config
  return {
    origin: origin === '*' ? origin : [...origin],
    methods: [...methods],
    credentials,
    ...(allowedHeaders && { allowedHeaders: [...allowedHeaders] }),
    ...(exposedHeaders.length > 0 && { exposedHeaders: [...exposedHeaders] }),
    ...(maxAge !== undefined && { maxAge }),
  }
}

/**
 * The hook that @fastify/cors adds for some options. The plugin itself is not registered, because it takes every OPTIONS
 * request of a scope, and adds a route for them.
 */
function hookOf(
  cors: FastifyPluginCallback<FastifyCorsOptions>,
  options: FastifyCorsOptions,
): onRequestHookHandler {
  let found: onRequestHookHandler | undefined
  const scope = {
    decorateRequest() {},
    options() {},
    addHook(name: string, hook: onRequestHookHandler) {
      if (name === 'onRequest') found = hook
    },
  }
  cors(scope as unknown as FastifyInstance, options, () => {})
  if (!found) throw new Error('@fastify/cors adds no onRequest hook')
  return found
}
