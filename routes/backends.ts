import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { changePool } from '../src/admin/change.js'
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
import type { Backend as ChangedBackend } from '../src/balancer/backends/backend.js'
import type { BackendView } from '../src/balancer/backends/backend-view.js'
import type { BackendChange } from '../src/balancer/state/change.js'

const tags = ['Backends']

/** The error codes of calls that read one backend. */
const readsOne = { errors: ['LEASTWISE_BACKEND_NOT_FOUND'] satisfies AdminErrorCode[] }
/** The error codes of calls that change one backend. */
const changesOne = {
  errors: ['LEASTWISE_BACKEND_NOT_FOUND', 'LEASTWISE_STATE_NOT_SAVED'] satisfies AdminErrorCode[],
}

/** Adds the routes that register, list, change, drain, activate and remove backends. */
export const backendRoutes: FastifyPluginAsyncTypebox = async (app) => {
  /** Makes a change, and returns the backend as it is then. */
  const change = (request: FastifyRequest, wanted: BackendChange): Promise<BackendView> =>
    changePool(app.poolOf(request), wanted, { answer: (backend) => (backend as ChangedBackend).view() })

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
      const view = await change(request, { kind: 'add', backend: request.body })
      const { pool: name } = request.params as { pool?: string }
      const prefix = app.prefix.replace(':pool', encodeURIComponent(name ?? ''))
      reply.code(201).header('location', `${prefix}/backends/${view.id}`)
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
      return change(request, { kind: 'update', id: request.params.id, patch: request.body })
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
      const { id } = request.params
      const warning = lastUsableWarning(app.poolOf(request).registry, id)
      const view = await change(request, { kind: 'drain', id, timeout: request.body.timeout })
      reply.code(202)
      return { ...view, ...warning }
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
      return change(request, { kind: 'activate', id: request.params.id })
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
      const { id } = request.params
      const force = request.query.force === 'true'
      const timeout = request.query.timeout === undefined ? undefined : Number(request.query.timeout)
      const warning = lastUsableWarning(app.poolOf(request).registry, id)
      const view = await change(request, { kind: 'remove', id, force, timeout })
      if (force) return reply.code(204).send(null)
      reply.code(202)
      return { ...view, ...warning }
    },
  )
}
