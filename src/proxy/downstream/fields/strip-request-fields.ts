import type { IncomingMessage } from 'node:http'
import { PROTO, type UnderscoreHeaders } from '../../http/fields.js'
import { nominatedBy } from '../../http/hop-by-hop.js'
import { peerOf } from '../../http/peer.js'
import type { Trust } from '../../http/trust.js'
import type { AppHooks } from '../host-app/app-hooks.js'
import { countFields, type FieldCounter } from './field-limits.js'
import { GATEWAY_FIELDS } from './gateway-fields.js'
import { isProxyField } from './proxy-fields.js'
import { markAllUntrusted, markUntrusted } from './untrusted-fields.js'

export interface StripOptions {
  trust: Trust
  underscoreHeaders: UnderscoreHeaders
  appHooks: AppHooks
  /** The server on which the request arrived. */
  server: FieldCounter
}

/** Fields that frame the body, and Max-Forwards, which the gateway counts down. */
const FRAMING = new Set(['content-length', 'max-forwards', 'trailer'])

/**
 * Removes the fields of a request that its client may not send to a backend: fields that Connection names, fields with
 * an underscore, and `Proxy`, which CGI would pass on as the variable HTTP_PROXY. Fields that only a trusted proxy may
 * send are marked and stay, so that hooks can read them. This is done before any hook of the app runs, so that fields
 * set by a hook are kept. A request that will be refused for its many fields keeps them.
 */
export function stripRequestFields(raw: IncomingMessage, options: StripOptions): void {
  // A socket forgets its address when it is closed.
  const peer = peerOf(raw.socket)
  if (countFields(raw, options.server)) {
    markAllUntrusted(raw.headers)
    return
  }
  const { headers } = raw
  const { connection } = headers
  let proxyFields: string[] | undefined
  let removed: Set<string> | undefined
  let names = 0
  for (const name in headers) {
    names++
    if (name.includes('_') ? isUnderscoreRemoved(name, options) : name === 'proxy') {
      removed = (removed ?? new Set()).add(name)
    } else if (isProxyField(name)) {
      proxyFields = [...(proxyFields ?? []), name]
    }
  }
  const nominated = nominatedBy(connection)
  if (nominated) {
    for (const name of nominated) {
      if (Object.hasOwn(headers, name) && !mayNotBeNominated(name)) {
        removed = (removed ?? new Set()).add(name)
      }
    }
  }
  // Where there are more lines than names, one of the lines may be `__proto__`, of which Node makes no field.
  if (names * 2 !== raw.rawHeaders.length && hasProto(raw.rawHeaders)) {
    if (nominated?.has(PROTO) || isUnderscoreRemoved(PROTO, options))
      removed = (removed ?? new Set()).add(PROTO)
  }
  if (removed) removeFields(raw, removed)
  if (proxyFields && options.trust(peer, []) === 0)
    markUntrusted(headers, proxyFields, options.appHooks.touchRequests)
}

/** Whether a field stays although Connection names it. */
function mayNotBeNominated(name: string): boolean {
  return GATEWAY_FIELDS.has(name) || isProxyField(name) || FRAMING.has(name)
}

/**
 * Whether a field with an underscore is removed. CGI and WSGI give such a field the same variable name as the field
 * with a hyphen.
 */
function isUnderscoreRemoved(name: string, { underscoreHeaders }: StripOptions): boolean {
  if (underscoreHeaders === 'drop') return true
  const hyphenated = name.replaceAll('_', '-')
  return GATEWAY_FIELDS.has(hyphenated) || isProxyField(hyphenated)
}

/** Whether a line has the name `__proto__`. */
function hasProto(rawHeaders: readonly string[]): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === PROTO.length && name.toLowerCase() === PROTO) return true
  }
  return false
}

/** Removes fields of a request, wherever Node keeps them. */
export function removeFields(raw: IncomingMessage, names: ReadonlySet<string>): void {
  const { headers, rawHeaders } = raw
  const distinct = distinctOf(raw)
  for (const name of names) {
    delete headers[name]
    delete distinct[name]
  }
  let kept = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (names.has(name.toLowerCase())) continue
    rawHeaders[kept++] = name
    rawHeaders[kept++] = rawHeaders[i + 1] as string
  }
  rawHeaders.length = kept
}

/**
 * The lists of values that Node makes from `rawHeaders` on the first access, which therefore has to come before
 * `rawHeaders` are changed.
 */
function distinctOf(raw: IncomingMessage): Record<string, unknown> {
  try {
    // HTTP/2 has no headersDistinct.
    return (raw.headersDistinct as IncomingMessage['headersDistinct'] | undefined) ?? {}
  } catch {
    // Some releases of Node 20 throw here if a line has the name `__proto__`.
    return {}
  }
}
