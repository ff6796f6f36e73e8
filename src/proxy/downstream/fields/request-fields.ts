import type { IncomingHttpHeaders } from 'node:http'
import type { ProxyContext } from '../../context.js'
import type { FieldLines } from '../../http/fields.js'
import { changeRequestFields, type FieldChanges } from '../../http/header-changes.js'
import type { Trust } from '../../http/trust.js'
import type { HttpDownstream } from '../downstream.js'
import { lowerNames } from '../host-app/app-fields.js'
import type { AppHooks } from '../host-app/app-hooks.js'
import { REQUEST_ID, requestIdOf } from '../request/request-id.js'
import { type PathMapping, prefixOf } from '../request/rewrite-path.js'
import { addClientLines } from './client-lines.js'
import { addressesIn, originOf } from './client-origin.js'
import type { Origin } from './forwarded-claims.js'
import { isReplaced, type ReceivedRequest, receivedFrom, trustedField } from './untrusted-fields.js'

export interface RequestFieldOptions {
  /** Which proxies are trusted to say where a request came from. */
  trust: Trust
  /** The name of this gateway in Via; undefined where it is not named. */
  via: string | undefined
  paths: PathMapping
  appHooks: AppHooks
  /** What the route changes in the fields; undefined for nothing. */
  changes?: FieldChanges | undefined
}

/** Properties of a request that are not header fields. */
interface Particulars {
  trust: Trust
  via: string | undefined
  requestId: string
  /** The prefix that was removed from the path. */
  prefix: string
}

/** Makes the fields of a request for a backend, after all hooks of the app, and records where the request came from. */
export function setRequestFields(
  downstream: HttpDownstream,
  context: ProxyContext,
  { trust, via, paths, appHooks, changes }: RequestFieldOptions,
): void {
  const { request, peer } = downstream
  if (appHooks.touchRequests) lowerNames(request)
  const received = receivedFrom(request, peer)
  const origin = originOf(received, trust, context.host)
  downstream.addresses = addressesIn(origin, peer)
  const prefix = prefixOf(request.raw, paths)
  context.fields = requestFields(received, origin, { trust, via, requestId: requestIdOf(request), prefix })
  if (appHooks.touchRequests) context.host = hostSetByApp(received) ?? context.host
  if (downstream.bodyFields) context.fields = replaceFields(context.fields, downstream.bodyFields)
  if (changes) {
    context.fields = changeRequestFields(context.fields, changes)
    context.host = changes.host ?? context.host
  }
}

/** The header fields of a request for a backend. Host comes first, and the forwarder sets its value. */
function requestFields(received: ReceivedRequest, origin: Origin, options: Particulars): FieldLines {
  const lines: FieldLines = ['host', '']
  addClientLines(lines, received)
  lines.push(REQUEST_ID, options.requestId)
  addVia(lines, received.raw.httpVersion, received.headers, options.via)
  lines.push('x-forwarded-for', origin.for, 'x-forwarded-proto', origin.proto)
  if (origin.host !== undefined) lines.push('x-forwarded-host', origin.host)
  lines.push('forwarded', origin.forwarded)
  const prefix = forwardedPrefix(received, options)
  if (prefix !== '') lines.push('x-forwarded-prefix', prefix)
  return lines
}

/** Adds this gateway to the Via field, RFC 9110 section 7.6.3. */
function addVia(lines: FieldLines, version: string, { via }: IncomingHttpHeaders, own: string | undefined) {
  if (own !== undefined) lines.push('via', via ? `${via}, ${version} ${own}` : `${version} ${own}`)
  else if (via) lines.push('via', via)
}

/**
 * The prefix that earlier proxies and this one removed from the path; where the app has set the field, the app's value.
 */
function forwardedPrefix(received: ReceivedRequest, { trust, prefix }: Particulars): string {
  const given = trustedField(received, 'x-forwarded-prefix')
  if (given === undefined) return prefix
  if (trust(received.peer, []) === 0 || isReplaced(received, 'x-forwarded-prefix')) return given
  return given.replace(/\/+$/, '') + prefix
}

/** The Host that a hook of the app has set for the backend; undefined where none has. */
function hostSetByApp(received: ReceivedRequest): string | undefined {
  const { host } = received.headers
  return host !== undefined && isReplaced(received, 'host') ? host : undefined
}

/**
 * Replaces fields by those of the same name; a field whose new value is undefined is left out.
 * @param fields new values by name in lower case
 */
function replaceFields(lines: FieldLines, fields: Record<string, string | undefined>): FieldLines {
  const replaced: FieldLines = []
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] as string
    if (!Object.hasOwn(fields, name.toLowerCase())) replaced.push(name, lines[i + 1] as string)
  }
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) replaced.push(name, value)
  return replaced
}
