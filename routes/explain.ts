import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Policy } from './schemas.js'

/** Who would be given the next request, and why. */
export const explainRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const { balancer } = app

  app.post(
    '/explain',
    {
      schema: {
        body: Type.Object(
          {
            except: Type.Optional(
              Type.Array(Type.String(), {
                description:
                  'Ids of backends that are not to be chosen, as on a retry those that were tried.',
              }),
            ),
            repeatable: Type.Optional(
              Type.Boolean({
                description:
                  'Whether it can be sent again, like a GET without a body: an ejected backend is tried with such.',
              }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: Explanation },
      },
    },
    async (request) => {
      const { except = [], repeatable } = request.body
      const explanation = balancer.explain({
        except: new Set(except.map((id) => balancer.registry.get(id))),
        repeatable,
      })
      const { error } = explanation
      // As the client would get it.
      return { ...explanation, error: error && { statusCode: 503, ...error } }
    },
  )
}

const Explained = Type.Object({
  id: Type.String(),
  score: Type.Union([Type.Number(), Type.Null()]),
  parts: Type.Record(Type.String(), Type.Number()),
  probability: Type.Number(),
  eligible: Type.Boolean(),
  available: Type.Boolean(),
  reason: Type.String(),
  inFlight: Type.Integer(),
  load: Type.Integer(),
  weight: Type.Integer(),
  maxConnections: Type.Union([Type.Integer(), Type.Null()]),
  share: Type.Number(),
})

const Explanation = Type.Object({
  at: Type.String(),
  policy: Policy,
  backend: Type.Union([Type.String(), Type.Null()]),
  outcome: Type.Union([
    Type.Literal('choice'),
    Type.Literal('trial'),
    Type.Literal('queue'),
    Type.Literal('refused'),
  ]),
  why: Type.String(),
  error: Type.Union([
    Type.Object({ statusCode: Type.Integer(), code: Type.String(), message: Type.String() }),
    Type.Null(),
  ]),
  panic: Type.Boolean(),
  queue: Type.Object({ length: Type.Integer(), limit: Type.Integer() }),
  backends: Type.Array(Explained),
})
