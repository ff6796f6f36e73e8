import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'

/** The field by which processes tell each other the id of a request, so that it can be found in all their logs. */
export const REQUEST_ID = 'x-request-id'

/** An id that is safe in a log, a terminal and a header field. Several lines of the field do not match, as Node joins them with a blank. */
const SAFE_ID = /^[\x21-\x7e]{1,128}$/

/** No other process has it, earlier or later ones included. */
const processId = randomBytes(8).toString('hex')
let idCount = 0

/** The id that a client gave its request, if it is safe. It need not be unique. */
function givenIn(headers: IncomingHttpHeaders): string | undefined {
  const given = headers[REQUEST_ID]
  return typeof given === 'string' && SAFE_ID.test(given) ? given : undefined
}

/** An id that no other request has. */
export function makeRequestId(): string {
  return `${processId}-${(++idCount).toString(36)}`
}

/**
 * The client's id for a request, or a new one: `genReqId` of the stand-alone gateway. It is put into the field, where
 * everybody finds it who has only Node's request.
 */
export function chooseRequestId({ headers }: { headers: IncomingHttpHeaders }): string {
  const id = givenIn(headers) ?? makeRequestId()
  headers[REQUEST_ID] = id
  return id
}

/** Ids for requests whose id in the app is not safe in a field. */
const replacements = new WeakMap<FastifyRequest, string>()

/** The id of a request for backends and clients: the client's, otherwise the one of the app, which is in its log. */
export function requestIdOf(request: FastifyRequest): string {
  const given = givenIn(request.raw.headers)
  if (given !== undefined) return given
  const own = String(request.id)
  if (SAFE_ID.test(own)) return own
  const id = replacements.get(request) ?? makeRequestId()
  replacements.set(request, id)
  return id
}
