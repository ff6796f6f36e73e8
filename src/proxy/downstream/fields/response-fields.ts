import type { IncomingMessage } from 'node:http'
import type { ProxyContext } from '../../context.js'
import { firstValue, type Headers, PROTO } from '../../http/fields.js'
import { changeResponseFields, type FieldChanges } from '../../http/header-changes.js'
import { HOP_BY_HOP, nominatedBy } from '../../http/hop-by-hop.js'
import { type PathMapping, prefixOf } from '../request/rewrite-path.js'
import { restorePrefix } from '../response/restore-prefix.js'

export interface ResponseFieldOptions {
  /** The name of this gateway in Via; undefined where it is not named. */
  via: string | undefined
  /** How the paths of clients and backends differ, where a prefix is put back into responses. */
  paths: PathMapping | undefined
  /** What the route changes in the fields; undefined for nothing. */
  changes?: FieldChanges | undefined
  /** Whether bodies are compressed for clients that take that. */
  compresses?: boolean | undefined
}

/** An own property like those that are made by assignment. */
const OWN = { configurable: true, enumerable: true, writable: true }

/** The header fields of a backend's response to a request, as its client sees them. */
export function responseFields(
  given: Headers,
  raw: IncomingMessage,
  context: ProxyContext,
  { via, paths, changes }: ResponseFieldOptions,
): Headers {
  const headers = endToEndFields(given, via)
  if (paths && namesPath(headers)) {
    const prefix = prefixOf(raw, paths)
    const { fields, host, lease } = context
    const { backend } = lease
    const scheme = backend.url.startsWith('https:') ? 'https' : 'http'
    const hosts = [backend.host, host, firstValue(fields, 'x-forwarded-host')]
    const { rewritePrefix } = paths
    if (prefix !== '') restorePrefix(headers, { prefix, rewritePrefix, hosts, scheme })
  }
  if (changes) changeResponseFields(headers, changes)
  return headers
}

/**
 * The fields of a response without those that are for one connection only, and with the gateway named in Via.
 * @param via the name of this gateway; undefined where it is not named
 */
export function endToEndFields(headers: Headers, via: string | undefined): Headers {
  const nominated = nominatedBy(headers.connection)
  // The fields are copied to a new object, because deleting from the given one is slower.
  const fields: Headers = {}
  for (const name of Object.keys(headers)) {
    if (HOP_BY_HOP.has(name) || nominated?.has(name)) continue
    if (name === PROTO) Object.defineProperty(fields, name, { ...OWN, value: headers[name] })
    else fields[name] = headers[name]
  }
  if (via !== undefined) fields.via = fields.via ? `${fields.via}, 1.1 ${via}` : `1.1 ${via}`
  return fields
}

/** The fields of a response that has no content and must not describe any, RFC 9110 section 8.6. */
export function withoutContent(headers: Headers): Headers {
  const { 'content-length': _length, trailer: _trailer, ...rest } = headers
  return rest
}

/** Whether a response has a field that may contain a path of the backend. */
function namesPath(headers: Headers): boolean {
  return (
    headers.location !== undefined ||
    headers['set-cookie'] !== undefined ||
    headers['content-location'] !== undefined ||
    headers.refresh !== undefined
  )
}
