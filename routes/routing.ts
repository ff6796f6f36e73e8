import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { jsonList } from '../src/admin/contract/json-list.js'
import { RequestExplanation, RequestInquiry } from '../src/admin/contract/request-explanation.js'
import { jsonResponse } from '../src/admin/contract/responses.js'
import { Route, RouteParams, Routes } from '../src/admin/contract/routes.js'
import { RouteNotFoundError } from '../src/admin/errors.js'
import type { GatewayControl } from '../src/admin/gateway-control.js'

/** Yields the response of `GET /routes` as pieces of JSON. */
async function* routesJson(control: GatewayControl): AsyncGenerator<string> {
  yield '{"routes":'
  yield* jsonList(control.routes())
  yield '}'
}

/** Adds the routes that show the gateway's routes, and explain what becomes of a request. */
export const routingRoutes: FastifyPluginAsyncTypebox<{ control: GatewayControl }> = async (
  app,
  { control },
) => {
  const tags = ['Gateway']

  app.get(
    '/routes',
    {
      config: { operationId: 'listRoutes' },
      schema: {
        tags,
        summary: 'List the routes',
        description:
          'How each is set, and what it has done. The list is empty where every request goes to the only pool.',
        response: { 200: jsonResponse(Routes, 'The routes.') },
      },
    },
    // Fastify's types accept only the documented response as an argument of `send`, not a stream of the same JSON.
    async (_request, reply) =>
      reply.type('application/json; charset=utf-8').send(Readable.from(routesJson(control)) as never),
  )

  app.get(
    '/routes/:route',
    {
      config: { operationId: 'getRoute', errors: ['LEASTWISE_ROUTE_NOT_FOUND'] },
      schema: {
        tags,
        summary: 'Read a route',
        description: 'How it is set, and what it has done.',
        params: RouteParams,
        response: { 200: jsonResponse(Route, 'The route.') },
      },
    },
    async (request) => {
      const { route: name } = request.params
      const route = control.route(name)
      if (!route) throw new RouteNotFoundError(name)
      return route
    },
  )

  app.post(
    '/routes/explain',
    {
      config: { operationId: 'explainRequest' },
      schema: {
        tags,
        summary: 'What would become of a request, and why',
        description:
          'Which route takes it, what that route does with it, and which backend would get it. A dry run: nothing is counted, and no later choice is changed by it. Credentials in `headers` are checked and not shown.',
        body: RequestInquiry,
        response: { 200: jsonResponse(RequestExplanation, 'What would become of the request.') },
      },
    },
    async (request) => control.explain(request.body),
  )
}
