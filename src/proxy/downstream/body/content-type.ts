import type { FastifyRequest } from 'fastify'
import { symbolOf } from '../host-app/fastify-internals.js'

/** A content-type that Fastify reads without objection, as nearly all are. */
const PLAIN = /^[\w.+-]+\/[\w.+-]+(?:; ?[\w-]+=[\w.+-]+)*$/

/** The own content-type of each request for which Fastify is shown another one. */
const hidden = new WeakMap<FastifyRequest, string | undefined>()

/**
 * Shows Fastify a content-type that it accepts where it would refuse the body for the request's own, or for having none:
 * the backend is to judge that.
 */
export function hideContentType(request: FastifyRequest): void {
  const { headers } = request.raw
  const type = headers['content-type']
  if (type !== undefined && PLAIN.test(type)) return
  hidden.set(request, type)
  headers['content-type'] = 'application/octet-stream'
  forget(request)
}

/** Gives a request its own content-type back. */
export function showContentType(request: FastifyRequest): void {
  if (!hidden.has(request)) return
  request.raw.headers['content-type'] = hidden.get(request)
  forget(request)
}

/** Drops the content-type that Fastify has parsed and kept. */
function forget(request: FastifyRequest): void {
  const symbol = symbolOf(request, 'fastify.request.contentType')
  if (symbol) Object.assign(request, { [symbol]: undefined })
}
