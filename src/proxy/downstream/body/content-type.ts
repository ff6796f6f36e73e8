import type { FastifyRequest } from 'fastify'
import { symbolOf } from '../host-app/fastify-internals.js'

/** Matches a content-type that Fastify accepts, which nearly all are. */
const ACCEPTED = /^[\w.+-]+\/[\w.+-]+(?:; ?[\w-]+=[\w.+-]+)*$/

/** The original content-type of each request whose content-type is hidden. */
const hidden = new WeakMap<FastifyRequest, string | undefined>()

/**
 * Replaces a content-type for which Fastify would refuse the body, or a missing one, until Fastify has looked at it.
 * The backend, not the gateway, decides about the content-type.
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

/** Drops the parsed content-type that Fastify caches. */
function forgetParsedType(request: FastifyRequest): void {
  const symbol = symbolOf(request, 'fastify.request.contentType')
  if (symbol) Object.assign(request, { [symbol]: undefined })
}
