import type { FastifyRequest } from 'fastify'
import { symbolOf } from './fastify-internals.js'

/** A content-type that Fastify reads without objection, as nearly all are. */
const PLAIN = /^[\w.+-]+\/[\w.+-]+(?:; ?[\w-]+=[\w.+-]+)*$/

/** What requests say whose content-type is hidden. */
const hidden = new WeakMap<FastifyRequest, string | undefined>()

/**
 * Hides a content-type that Fastify would refuse the body for, and that there is none where it asks for one: it is the
 * backend's to read.
 */
export function hideContentType(request: FastifyRequest): void {
  const { headers } = request.raw
  const type = headers['content-type']
  if (type !== undefined && PLAIN.test(type)) return
  hidden.set(request, type)
  headers['content-type'] = 'application/octet-stream'
  forget(request)
}

/** Puts it back. */
export function showContentType(request: FastifyRequest): void {
  if (!hidden.has(request)) return
  request.raw.headers['content-type'] = hidden.get(request)
  forget(request)
}

/** Fastify remembers what it has read of it. */
function forget(request: FastifyRequest): void {
  const symbol = symbolOf(request, 'fastify.request.contentType')
  if (symbol) Object.assign(request, { [symbol]: undefined })
}
