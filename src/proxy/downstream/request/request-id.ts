import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'

/** The field by which processes tell each other the id of a request, so that it can be found in all their logs. */
export const REQUEST_ID = 'x-request-id'

/**
 * An id that is safe in a log, a terminal and a header field. A field that came in several lines does not match,
 * because Node joins the lines with a blank.
 */
const SAFE_ID = /^[\x21-\x7e]{1,128}$/

/** A random part of the ids that this process makes, so that no other process makes the same ids. */
const processId = randomBytes(8).toString('hex')
let idCount = 0

/** The request id that a client sent, if it is safe to use. Several requests may have the same id. */
function givenIn(headers: IncomingHttpHeaders): string | undefined {
  const given = headers[REQUEST_ID]
  return typeof given === 'string' && SAFE_ID.test(given) ? given : undefined
}

/** An id that no other request has. */
export function makeRequestId(): string {
  return `${processId}-${(++idCount).toString(36)}`
}

/**
 * The client's id for a request, or a new one: `genReqId` of the stand-alone gateway. The id is also written into the
 * header field, because code that has only Node's request reads it there.
 */
export function chooseRequestId({ headers }: { headers: IncomingHttpHeaders }): string {
  const id = givenIn(headers) ?? makeRequestId()
  headers[REQUEST_ID] = id
  return id
}

/** Replacement ids for requests whose id in the app is not safe in a header field. */
const replacements = new WeakMap<FastifyRequest, string>()

/**
 * The id of a request that backends and clients see: the client's id, otherwise the app's id, which is also in the
 * app's log.
 */
export function requestIdOf(request: FastifyRequest): string {
  const given = givenIn(request.raw.headers)
  if (given !== undefined) return given
  const own = String(request.id)
  if (SAFE_ID.test(own)) return own
  const id = replacements.get(request) ?? makeRequestId()
  replacements.set(request, id)
  return id
}
