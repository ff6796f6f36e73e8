import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Backend, backendExample, LeavingBackend, newBackendExample } from '../src/admin/contract/backend.js'
import {
  ActivateBody,
  AddBody,
  BackendParams,
  Backends,
  DrainBody,
  RemoveQuery,
  UpdateBody,
} from '../src/admin/contract/backend-calls.js'
import { BACKENDS_PER_TURN, backendsJson } from '../src/admin/contract/backend-list.js'
import type { AdminErrorCode } from '../src/admin/contract/error-codes.js'
import { jsonResponse } from '../src/admin/contract/responses.js'
import { lastUsableWarning } from '../src/admin/last-usable-warning.js'

const tags = ['Backends']

/** The error codes of calls that read one backend. */
const readsOne = { errors: ['LEASTWISE_BACKEND_NOT_FOUND'] satisfies AdminErrorCode[] }
/** The error codes of calls that change one backend. */
const changesOne = {
  errors: ['LEASTWISE_BACKEND_NOT_FOUND', 'LEASTWISE_STATE_NOT_SAVED'] satisfies AdminErrorCode[],
}

/** Adds the routes that register, list, change, drain, activate and remove backends. */
export const backendRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/backends',
    {
      config: { operationId: 'listBackends' },
      schema: {
        tags,
        summary: 'List the backends',
        description: 'All of them, in order of registration.',
        response: {
          200: jsonResponse(Backends, 'The backends.', { backends: [backendExample] }),
        },
      },
    },
    async (request, reply) => {
      const { registry } = app.poolOf(request)
      if (registry.size <= BACKENDS_PER_TURN)
        return { backends: registry.list().map((backend) => backend.view()) }
      // Fastify's types accept only the documented response as an argument of `send`, not a stream of the same JSON.
      return reply
        .type('application/json; charset=utf-8')
        .send(Readable.from(backendsJson(registry)) as never)
    },
  )

  app.post(
    '/backends',
    {
      config: {
        operationId: 'addBackend',
        errors: ['LEASTWISE_INVALID_BACKEND', 'LEASTWISE_BACKEND_EXISTS', 'LEASTWISE_STATE_NOT_SAVED'],
      },
      schema: {
        tags,
        summary: 'Register a backend',
        description: 'It gets requests from now on, in slow start fewer at first. `Location` is its path.',
        body: AddBody,
        response: {
          201: jsonResponse(Backend, 'The backend.', newBackendExample, {
            Location: { type: 'string', description: 'Path of the backend.' },
          }),
        },
      },
    },
    async (request, reply) => {
      const pool = app.poolOf(request)
      const backend = pool.registry.add(request.body)
      const view = await app.saved(pool, backend.view())
      const { pool: name } = request.params as { pool?: string }
      const prefix = app.prefix.replace(':pool', encodeURIComponent(name ?? ''))
      reply.code(201).header('location', `${prefix}/backends/${backend.id}`)
      return view
    },
  )

  app.get(
    '/backends/:id',
    {
      config: { operationId: 'getBackend', ...readsOne },
      schema: {
        tags,
        summary: 'Read a backend',
        description: 'How it is set, how it is, and what it has done.',
        params: BackendParams,
        response: { 200: jsonResponse(Backend, 'The backend.') },
      },
    },
    async (request) => app.poolOf(request).registry.get(request.params.id).view(),
  )

  app.patch(
    '/backends/:id',
    {
      config: {
        operationId: 'updateBackend',
        errors: ['LEASTWISE_INVALID_BACKEND', ...changesOne.errors],
      },
      schema: {
        tags,
        summary: 'Change weight, limit, checks or TLS',
        description: 'What is left out stays as it is, and so do the counts.',
        params: BackendParams,
        body: UpdateBody,
        response: { 200: jsonResponse(Backend, 'The changed backend.', { weight: 3, maxConnections: 100 }) },
      },
    },
    async (request) => {
      const pool = app.poolOf(request)
      return app.saved(pool, pool.registry.update(request.params.id, request.body).view())
    },
  )

  app.post(
    '/backends/:id/drain',
    {
      config: { operationId: 'drainBackend', ...changesOne },
      schema: {
        tags,
        summary: 'Drain a backend',
        description:
          'It gets no new request. Those that are in flight after `timeout` milliseconds, by default `DRAIN_TIMEOUT`, are cut. Where no other backend is usable, `warning` says so.',
        params: BackendParams,
        body: DrainBody,
        response: { 202: jsonResponse(LeavingBackend, 'The backend, now `draining`.') },
      },
    },
    async (request, reply) => {
      const pool = app.poolOf(request)
      const { id } = request.params
      const warning = lastUsableWarning(pool.registry, id)
      reply.code(202)
      return app.saved(pool, { ...pool.registry.drain(id, request.body.timeout).view(), ...warning })
    },
  )

  app.post(
    '/backends/:id/activate',
    {
      config: { operationId: 'activateBackend', ...changesOne },
      schema: {
        tags,
        summary: 'Activate a backend again',
        description: 'Takes back a drain or a pending removal, and ends an ejection. Its counts are kept.',
        params: BackendParams,
        body: ActivateBody,
        response: { 200: jsonResponse(Backend, 'The backend, `active` again.') },
      },
    },
    async (request) => {
      const pool = app.poolOf(request)
      return app.saved(pool, pool.registry.activate(request.params.id).view())
    },
  )

  app.delete(
    '/backends/:id',
    {
      config: { operationId: 'removeBackend', ...changesOne },
      schema: {
        tags,
        summary: 'Remove a backend',
        description:
          'It is drained, with `timeout` as for a drain, and then removed. With `force=true` requests in flight are cut and it is removed at once. Where no other backend is usable, `warning` says so.',
        params: BackendParams,
        querystring: RemoveQuery,
        response: {
          202: jsonResponse(LeavingBackend, 'The backend, `draining` until it is gone.'),
          204: { ...Type.Null(), description: 'With `force=true`: it is gone.' },
        },
      },
    },
    async (request, reply) => {
      const { timeout } = request.query
      const force = request.query.force === 'true'
      const { id } = request.params
      const pool = app.poolOf(request)
      const warning = lastUsableWarning(pool.registry, id)
      const backend = pool.registry.remove(id, {
        force,
        ...(timeout !== undefined && { timeout: Number(timeout) }),
      })
      const view = await app.saved(pool, { ...backend.view(), ...warning })
      if (force) return reply.code(204).send(null)
      reply.code(202)
      return view
    },
  )
}
