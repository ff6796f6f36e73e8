import type { IncomingMessage } from 'node:http'
import type { FastifyError, FastifyReply } from 'fastify'
import { closeAfter } from '../connection/pipeline.js'
import {
  BadPathError,
  BodyTooLargeError,
  endsConnection,
  InvalidRequestError,
  LoopError,
  MethodNotAllowedError,
  TooManyFieldsError,
} from '../errors/errors.js'
import { hasTooManyFields } from '../fields/field-limits.js'
import { protocolOf } from '../protocol-of.js'
import { type PathMapping, rewritePath } from './rewrite-path.js'
import { targetOf } from './target.js'

export interface AdmissionOptions extends PathMapping {
  /** Largest request body in bytes; 0 for any. */
  maxBody: number
  /** The name of this gateway in Via; undefined where it is not named. */
  via: string | undefined
  /** The methods of the routes, as an Allow field. */
  allow: string
}

/** Where an admitted request goes. */
export interface Destination {
  /** Path and query for the backend, or `*`. */
  path: string
  /** The host that the client named; undefined where it named none. */
  host: string | undefined
}

/**
 * Decides whether a request is passed on, and to which path and host.
 * @throws {FastifyError} if the request is not passed on: the error that the client gets
 */
export function admit(raw: IncomingMessage, reply: FastifyReply, options: AdmissionOptions): Destination {
  try {
    return destinationOf(raw, options)
  } catch (error) {
    if (raw.method === 'TRACE') reply.header('allow', options.allow)
    // The connection is marked now, before the next request on it is looked at.
    if (endsConnection(error as FastifyError)) closeAfter(raw, reply.raw)
    throw error
  }
}

function destinationOf(raw: IncomingMessage, options: AdmissionOptions): Destination {
  if (hasTooManyFields(raw)) throw new TooManyFieldsError()
  const fault = protocolOf(raw).framingFault(raw)
  if (fault) throw fault
  const { headers, method } = raw
  // TRACE would show the client what was added to its request on the way. RFC 9110 section 9.3.8.
  if (method === 'TRACE') throw new MethodNotAllowedError(method)
  if (options.via !== undefined && headers.via?.includes(options.via)) throw new LoopError()
  if (options.maxBody > 0 && Number(headers['content-length'] ?? 0) > options.maxBody) {
    throw new BodyTooLargeError(options.maxBody)
  }
  const target = targetOf(raw)
  // A URL without a path means the server itself, as `*` does: RFC 9112 section 3.2.4.
  const asked = target?.path === '' ? (method === 'OPTIONS' ? '*' : '/') : target?.path
  if (!target || asked === undefined || (asked === '*' && method !== 'OPTIONS')) {
    throw new InvalidRequestError('the request target must be a path, or a URL of http or https')
  }
  const { segments, rewritePrefix, joinsSlashes } = options
  const path = asked === '*' ? '*' : rewritePath(asked, segments, rewritePrefix, joinsSlashes)
  if (path === undefined) throw new BadPathError()
  const host = target.authority ?? headers.host ?? (headers[':authority'] as string | undefined)
  return { path, host }
}
