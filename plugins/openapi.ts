import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifySchema, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { Type } from 'typebox'
import type { AdminErrorCode } from '../src/admin/contract/error-codes.js'
import { errorResponses, jsonResponse } from '../src/admin/contract/responses.js'
import { components } from '../src/admin/openapi/components.js'
import { version } from '../src/telemetry/version.js'
import type { AdminAuthOptions } from './admin-auth.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** In the admin API's scope: the description of the API, made on the first request for it. */
    leastwiseDescription(): object
  }
}

export interface OpenapiOptions {
  /** Whether calls need a token. */
  token: AdminAuthOptions['token']
  /** Whether there are calls about the configuration and the routes of a gateway. */
  gateway: boolean
}

const tags = [
  { name: 'Backends', description: 'Register, change, drain and remove backends while traffic flows.' },
  { name: 'Policy', description: 'How a backend is chosen.' },
  { name: 'Pool', description: 'How the pool is as a whole, and why it does what it does.' },
  { name: 'Gateway', description: 'The configuration and the routes of the gateway.' },
  { name: 'Monitoring', description: 'For probes, scrapers and screens.' },
  { name: 'Pages', description: 'For people, and this description.' },
]

const about = `Reads and changes the backends of a load balancer, and shows how they are.

JSON in and out; times are milliseconds, dates ISO 8601. Unknown fields are refused. Every error has the shape of
\`Error\`; what no call takes is answered with 404 \`LEASTWISE_NOT_FOUND\`. A request that is not valid HTTP, or
whose path cannot be decoded, is refused before it reaches this API, with a code of its own; where the API is part of
an app, in that app's words.`

/**
 * GET /openapi.json: the description of the admin API in OpenAPI 3.1, made from the schemas of its routes. Register
 * this plugin before those routes.
 */
export const openapiPlugin = fp<OpenapiOptions>(
  async (scope, { token, gateway }) => {
    const calls = new WeakSet<object>()
    scope.addHook('onRoute', (route) => {
      // A pool's calls are described once, at the path that does not name the pool.
      if (route.schema?.hide || route.url.startsWith(`${scope.prefix}/pools/:pool/`)) {
        route.schema = { ...route.schema, hide: true }
        return
      }
      calls.add(route)
      // The admin API has its own description. In the description of an app around it, its schemas might not even be
      // understood.
      route.schema = { ...route.schema, hide: true }
    })
    await scope.register(swagger, {
      // The app may already have a decorator with the default name `swagger`.
      decorator: 'leastwiseDescription',
      convertConstToEnum: false,
      openapi: {
        openapi: '3.1.0',
        info: { title: 'leastwise admin API', description: about, version },
        servers: [{ url: scope.prefix || '/' }],
        tags: tags.filter(({ name }) => gateway || name !== 'Gateway'),
        ...(token !== undefined && {
          components: {
            securitySchemes: { token: { type: 'http', scheme: 'bearer', description: '`ADMIN_TOKEN`.' } },
          },
        }),
      },
      transform: ({ url, route }) => ({
        url,
        schema: calls.has(route) ? described(route, token) : { hide: true },
      }),
      transformObject: (made) => components('openapiObject' in made ? made.openapiObject : {}),
    })
    serve(scope)
  },
  { name: 'leastwise-openapi', fastify: '5.x' },
)

function serve(scope: FastifyInstance): void {
  let document: string | undefined
  scope.get(
    '/openapi.json',
    {
      config: { operationId: 'getDescription', public: true },
      schema: {
        tags: ['Pages'],
        summary: 'This description',
        description: 'The description of this API in OpenAPI 3.1, for programs.',
        response: {
          200: jsonResponse(
            Type.Object(
              { openapi: Type.String({ description: 'Version of OpenAPI.' }) },
              { additionalProperties: true },
            ),
            'An OpenAPI document.',
            { openapi: '3.1.0' },
          ),
        },
      },
    },
    async (_request, reply) => {
      document ??= JSON.stringify(scope.leastwiseDescription())
      return reply.type('application/json; charset=utf-8').send(document)
    },
  )
}

/** The schema of a call, with the parts that all calls have in common added. */
function described(route: RouteOptions, token: AdminAuthOptions['token']): FastifySchema {
  const { schema = {}, config = {} } = route
  const needsToken = token !== undefined && !config.public
  return {
    ...schema,
    hide: false,
    ...(config.operationId !== undefined && { operationId: config.operationId }),
    response: { ...(schema.response as object), ...errorResponses(errorsOf(route, token)) },
    ...(needsToken && { security: [{ token: [] }] }),
  }
}

function errorsOf(
  { method, schema, config }: RouteOptions,
  token: AdminAuthOptions['token'],
): AdminErrorCode[] {
  const codes: AdminErrorCode[] = [...(config?.errors ?? []), 'LEASTWISE_INTERNAL']
  const takesBody = method !== 'GET'
  if (takesBody || schema?.querystring) codes.unshift('LEASTWISE_INVALID_REQUEST')
  if (takesBody) codes.push('LEASTWISE_BODY_TOO_LARGE', 'LEASTWISE_UNSUPPORTED_MEDIA_TYPE')
  if (token === undefined) codes.push('LEASTWISE_FORBIDDEN')
  else if (!config?.public) codes.push('LEASTWISE_UNAUTHORIZED')
  return codes
}
