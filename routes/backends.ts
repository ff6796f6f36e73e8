import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import {
  Backend,
  BackendParams,
  Digits,
  HostHeader,
  MaxConnections,
  Milliseconds,
  Weight,
} from './schemas.js'

/** Register, read, change, drain, activate and remove backends. */
export const backendRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const { registry } = app.balancer

  app.get(
    '/backends',
    { schema: { response: { 200: Type.Object({ backends: Type.Array(Backend) }) } } },
    async () => ({ backends: registry.list().map((backend) => backend.view()) }),
  )

  app.post(
    '/backends',
    {
      schema: {
        body: Type.Object(
          {
            url: Type.String(),
            id: Type.Optional(Type.String()),
            weight: Type.Optional(Weight),
            maxConnections: Type.Optional(MaxConnections),
            hostHeader: Type.Optional(HostHeader),
          },
          { additionalProperties: false },
        ),
        response: { 201: Backend },
      },
    },
    async (request, reply) => {
      const backend = registry.add(request.body)
      reply.code(201).header('location', `${app.prefix}/backends/${backend.id}`)
      return backend.view()
    },
  )

  app.get(
    '/backends/:id',
    { schema: { params: BackendParams, response: { 200: Backend } } },
    async (request) => registry.get(request.params.id).view(),
  )

  app.patch(
    '/backends/:id',
    {
      schema: {
        params: BackendParams,
        body: Type.Object(
          { weight: Type.Optional(Weight), maxConnections: Type.Optional(MaxConnections) },
          { additionalProperties: false },
        ),
        response: { 200: Backend },
      },
    },
    async (request) => registry.update(request.params.id, request.body).view(),
  )

  app.post(
    '/backends/:id/drain',
    {
      schema: {
        params: BackendParams,
        body: Type.Object({ timeout: Type.Optional(Milliseconds) }, { additionalProperties: false }),
        response: { 202: Backend },
      },
    },
    async (request, reply) => {
      reply.code(202)
      return registry.drain(request.params.id, request.body.timeout).view()
    },
  )

  app.post(
    '/backends/:id/activate',
    {
      schema: {
        params: BackendParams,
        body: Type.Object({}, { additionalProperties: false }),
        response: { 200: Backend },
      },
    },
    async (request) => registry.activate(request.params.id).view(),
  )

  app.delete(
    '/backends/:id',
    {
      schema: {
        params: BackendParams,
        querystring: Type.Object(
          { force: Type.Optional(Type.Enum(['true', 'false'])), timeout: Type.Optional(Digits) },
          { additionalProperties: false },
        ),
        response: { 202: Backend, 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { timeout } = request.query
      const force = request.query.force === 'true'
      const backend = registry.remove(request.params.id, {
        force,
        ...(timeout !== undefined && { timeout: Number(timeout) }),
      })
      if (force) return reply.code(204).send(null)
      reply.code(202)
      return backend.view()
    },
  )
}
