import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { InvalidRequestError } from '../plugins/errors.js'
import { KEPT } from '../src/balancer/decisions.js'
import { Digits, Policy } from './schemas.js'

/** Who was given the latest requests. */
export const decisionRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/decisions',
    {
      schema: {
        querystring: Type.Object(
          {
            limit: Type.Optional(Digits),
            backend: Type.Optional(Type.String()),
            request: Type.Optional(Type.String()),
          },
          { additionalProperties: false },
        ),
        response: { 200: Type.Object({ decisions: Type.Array(Decision) }) },
      },
    },
    async ({ query: { limit, backend, request } }) => {
      if (limit !== undefined && (Number(limit) < 1 || Number(limit) > KEPT))
        throw new InvalidRequestError(`querystring.limit must be from 1 to ${KEPT}`)
      return {
        decisions: app.balancer.decisions({
          ...(limit !== undefined && { limit: Number(limit) }),
          backend,
          request,
        }),
      }
    },
  )
}

const Decision = Type.Object({
  at: Type.String(),
  request: Type.Union([Type.String(), Type.Null()]),
  policy: Policy,
  backend: Type.String(),
  inFlight: Type.Integer(),
  load: Type.Integer(),
  kind: Type.Union([
    Type.Literal('choice'),
    Type.Literal('trial'),
    Type.Literal('retry'),
    Type.Literal('hedge'),
    Type.Literal('queue'),
  ]),
  eligible: Type.Integer(),
  waited: Type.Number(),
})
