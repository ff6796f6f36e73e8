import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'

/** Who wants to find a request again in the log of another process says its id in this field. */
export const REQUEST_ID = 'x-request-id'

/** Nothing that a log, a terminal or a header field could mind; several lines of the field have a blank between. */
const SANE = /^[\x21-\x7e]{1,128}$/

/** Of this process: no other one has it, before or after. */
const process = randomBytes(8).toString('hex')
let made = 0

/** The id that a client gave its request, where it is fit for use. It need not be unique, nor true. */
function givenIn(headers: IncomingHttpHeaders): string | undefined {
  const given = headers[REQUEST_ID]
  return typeof given === 'string' && SANE.test(given) ? given : undefined
}

/** An id that no other request has. */
export function makeRequestId(): string {
  return `${process}-${(++made).toString(36)}`
}

/**
 * The client's id for a request, or one of our own: for Fastify's `genReqId`, where the app is ours. It is put into the
 * field, for whoever has no more than the bare request.
 */
export function chooseRequestId({ headers }: { headers: IncomingHttpHeaders }): string {
  const id = givenIn(headers) ?? makeRequestId()
  headers[REQUEST_ID] = id
  return id
}

/** Of requests whose app calls them something that fits in no field. */
const renamed = new WeakMap<FastifyRequest, string>()

/**
 * What a request is called towards backends and clients: as its client called it, otherwise as the app does, whose
 * log lines have that.
 */
export function requestIdOf(request: FastifyRequest): string {
  const given = givenIn(request.raw.headers)
  if (given !== undefined) return given
  const own = String(request.id)
  if (SANE.test(own)) return own
  const id = renamed.get(request) ?? makeRequestId()
  renamed.set(request, id)
  return id
}
