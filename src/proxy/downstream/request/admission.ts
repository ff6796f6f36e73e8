import type { IncomingMessage } from 'node:http'
import {
  BadPathError,
  BodyTooLargeError,
  InvalidRequestError,
  LoopError,
  MethodNotAllowedError,
  TooManyFieldsError,
} from '../errors/errors.js'
import { type FieldCounter, hasTooManyFields } from '../fields/field-limits.js'
import { rewritePath } from '../fields/forwarding.js'
import { faultOf } from './framing.js'
import type { PathMapping } from './prefix.js'
import { targetOf } from './target.js'

export interface AdmissionOptions extends PathMapping {
  /** Largest request body in bytes; 0 for any. */
  maxBody: number
  /** What we call ourselves in Via; undefined where we do not. */
  via: string | undefined
  /** The server that the request came to. */
  server: FieldCounter
}

/** Where an admitted request goes. */
export interface Destination {
  /** Path and query for the backend, or `*`. */
  path: string
  /** The host that the client named, if it did. */
  host: string | undefined
}

/**
 * Whether a request may be passed on, and as what.
 * @throws {FastifyError} what the client is told otherwise
 */
export function admit(raw: IncomingMessage, options: AdmissionOptions): Destination {
  if (hasTooManyFields(raw, options.server)) throw new TooManyFieldsError()
  const fault = 'stream' in raw ? undefined : faultOf(raw)
  if (fault) throw fault
  const { headers, method } = raw
  // It would show the client what was added to its request on the way. RFC 9110 section 9.3.8.
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
