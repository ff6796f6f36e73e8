import type { IncomingMessage } from 'node:http'
import type { UnderscoreHeaders } from '../../http/fields.js'
import { isPlain, nominatedBy } from '../../http/hop-by-hop.js'
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
  /** The server that the request came to. */
  server: FieldCounter
}

/** Fields that frame the body, or that the gateway counts by. */
const FRAMING = new Set(['content-length', 'max-forwards', 'trailer'])

/**
 * Removes the fields of a request that its client may not send to a backend: those that Connection names, those with an
 * underscore, and `Proxy`, which CGI makes the variable HTTP_PROXY of. Fields that only a trusted proxy may send stay for
 * hooks to read, and are marked. This is done before any hook of the app runs, so that what a hook sets is kept. A
 * request that will be refused for its many fields keeps them.
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
  for (const name in headers) {
    if (name.includes('_') ? isUnderscoreRemoved(name, options) : name === 'proxy') {
      removed = (removed ?? new Set()).add(name)
    } else if (isProxyField(name)) {
      proxyFields = [...(proxyFields ?? []), name]
    }
  }
  if (!isPlain(connection)) {
    for (const name of nominatedBy(connection) ?? []) {
      if (Object.hasOwn(headers, name) && !mayNotBeNominated(name)) {
        removed = (removed ?? new Set()).add(name)
      }
    }
  }
  if (removed) remove(raw, removed)
  if (proxyFields && options.trust(peer, []) === 0)
    markUntrusted(headers, proxyFields, options.appHooks.touchRequests)
}

/** Whether a field stays although Connection names it. */
function mayNotBeNominated(name: string): boolean {
  return GATEWAY_FIELDS.has(name) || isProxyField(name) || FRAMING.has(name)
}

/** Whether a field with an underscore is removed. CGI and WSGI give it the same name as the one with a hyphen. */
function isUnderscoreRemoved(name: string, { underscoreHeaders }: StripOptions): boolean {
  if (underscoreHeaders === 'drop') return true
  const hyphenated = name.replaceAll('_', '-')
  return GATEWAY_FIELDS.has(hyphenated) || isProxyField(hyphenated)
}

function remove(raw: IncomingMessage, names: ReadonlySet<string>): void {
  const { headers, rawHeaders } = raw
  // Node makes this object of rawHeaders when it is first asked for, so that is done first. HTTP/2 has none.
  const distinct = (raw.headersDistinct as IncomingMessage['headersDistinct'] | undefined) ?? {}
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
