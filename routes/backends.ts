// Over 200 lines: each call that concerns backends, with its description.
import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
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
import { etag, IfMatch } from '../src/admin/contract/entity-tag.js'
import type { AdminErrorCode } from '../src/admin/contract/error-codes.js'
import { jsonResponse } from '../src/admin/contract/responses.js'
import { backendsTag, backendTag } from '../src/admin/entity-tags.js'
import { lastUsableWarning } from '../src/admin/last-usable-warning.js'
import type { Backend as ChangedBackend } from '../src/balancer/backends/backend.js'
import type { BackendView } from '../src/balancer/backends/backend-view.js'
import type { BackendChange } from '../src/balancer/state/change.js'

const tags = ['Backends']

/** The error codes of calls that read one backend. */
const readsOne = { errors: ['LEASTWISE_BACKEND_NOT_FOUND'] satisfies AdminErrorCode[] }
/** The error codes of calls that change something. */
const changes = [
  'LEASTWISE_PRECONDITION_FAILED',
  'LEASTWISE_STATE_NOT_SAVED',
] as const satisfies AdminErrorCode[]
/** The error codes of calls that change one backend. */
const changesOne = { errors: ['LEASTWISE_BACKEND_NOT_FOUND', ...changes] satisfies AdminErrorCode[] }

/** Adds the routes that register, list, change, drain, activate and remove backends. */
export const backendRoutes: FastifyPluginAsyncTypebox = async (app) => {
  /** Makes a change, and returns the backend as it is then; the reply gets its entity tag. */
  const change = (
    request: FastifyRequest,
    reply: FastifyReply,
    wanted: BackendChange,
  ): Promise<BackendView> => {
    const pool = app.poolOf(request)
    return changePool(pool, wanted, request.headers['if-match'], (changed) => {
      const backend = changed as ChangedBackend
      reply.header('etag', backendTag(pool.registry, backend))
      return backend.view()
    })
  }

  app.get(
    '/backends',
    {
      config: { operationId: 'listBackends' },
      schema: {
        tags,
        summary: 'List the backends',
        description: 'All of them, in order of registration.',
        response: {
          200: jsonResponse(Backends, 'The backends.', { backends: [backendExample] }, etag),
        },
      },
    },
    async (request, reply) => {
      const { registry } = app.poolOf(request)
      reply.header('etag', backendsTag(registry))
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
        errors: ['LEASTWISE_INVALID_BACKEND', 'LEASTWISE_BACKEND_EXISTS', ...changes],
      },
      schema: {
        tags,
        summary: 'Register a backend',
        description: 'It gets requests from now on, in slow start fewer at first. `Location` is its path.',
        headers: IfMatch,
        body: AddBody,
        response: {
          201: jsonResponse(Backend, 'The backend.', newBackendExample, {
            Location: { type: 'string', description: 'Path of the backend.' },
            ...etag,
          }),
        },
      },
    },
    async (request, reply) => {
      const view = await change(request, reply, { kind: 'add', backend: request.body })
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
        response: { 200: jsonResponse(Backend, 'The backend.', undefined, etag) },
      },
    },
    async (request, reply) => {
      const { registry } = app.poolOf(request)
      const backend = registry.get(request.params.id)
      reply.header('etag', backendTag(registry, backend))
      return backend.view()
    },
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
        headers: IfMatch,
        params: BackendParams,
        body: UpdateBody,
        response: {
          200: jsonResponse(Backend, 'The changed backend.', { weight: 3, maxConnections: 100 }, etag),
        },
      },
    },
    async (request, reply) => {
      return change(request, reply, { kind: 'update', id: request.params.id, patch: request.body })
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
        headers: IfMatch,
        params: BackendParams,
        body: DrainBody,
        response: { 202: jsonResponse(LeavingBackend, 'The backend, now `draining`.', undefined, etag) },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const warning = lastUsableWarning(app.poolOf(request).registry, id)
      const view = await change(request, reply, { kind: 'drain', id, timeout: request.body.timeout })
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
        headers: IfMatch,
        params: BackendParams,
        body: ActivateBody,
        response: { 200: jsonResponse(Backend, 'The backend, `active` again.', undefined, etag) },
      },
    },
    async (request, reply) => {
      return change(request, reply, { kind: 'activate', id: request.params.id })
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
        headers: IfMatch,
        params: BackendParams,
        querystring: RemoveQuery,
        response: {
          202: jsonResponse(LeavingBackend, 'The backend, `draining` until it is gone.', undefined, etag),
          204: { ...Type.Null(), description: 'With `force=true`: it is gone.' },
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const force = request.query.force === 'true'
      const timeout = request.query.timeout === undefined ? undefined : Number(request.query.timeout)
      const warning = lastUsableWarning(app.poolOf(request).registry, id)
      const view = await change(request, reply, { kind: 'remove', id, force, timeout })
      if (force) return reply.code(204).send(null)
      reply.code(202)
      return { ...view, ...warning }
    },
  )
}
