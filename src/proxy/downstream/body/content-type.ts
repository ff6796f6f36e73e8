import type { FastifyRequest } from 'fastify'
import { symbolOf } from '../host-app/fastify-internals.js'

/** A content-type that Fastify accepts, as nearly all are. */
const ACCEPTED = /^[\w.+-]+\/[\w.+-]+(?:; ?[\w-]+=[\w.+-]+)*$/

/** By a request whose content-type is hidden: that content-type. */
const hidden = new WeakMap<FastifyRequest, string | undefined>()

/**
 * Replaces a content-type for which Fastify would refuse the body, or a missing one, until Fastify has looked at it: it
 * is for the backend to judge.
 */
export function hideContentType(request: FastifyRequest): void {
  const { headers } = request.raw
  const type = headers['content-type']
  if (type !== undefined && ACCEPTED.test(type)) return
  hidden.set(request, type)
  headers['content-type'] = 'application/octet-stream'
  forgetParsedType(request)
}

/** Gives a request its own content-type back. */
export function restoreContentType(request: FastifyRequest): void {
  if (!hidden.has(request)) return
  request.raw.headers['content-type'] = hidden.get(request)
  forgetParsedType(request)
}

/** Drops the content-type that Fastify has parsed and keeps. */
function forgetParsedType(request: FastifyRequest): void {
  const symbol = symbolOf(request, 'fastify.request.contentType')
  if (symbol) Object.assign(request, { [symbol]: undefined })
}
