import type { IncomingMessage } from 'node:http'
import type { ProxyContext } from '../../context.js'
import type { Headers } from '../../http/fields.js'
import { toClient } from '../fields/forwarding.js'
import { type PathMapping, prefixOf, restorePrefix } from '../request/prefix.js'

export interface ResponseOptions {
  /** What we call ourselves in Via; undefined where we do not. */
  via: string | undefined
  /** How paths belong together, where a prefix is put back into answers. */
  paths: PathMapping | undefined
}

/** The header fields of an answer to a request as its client shall see them. */
export function responseFields(
  given: Headers,
  raw: IncomingMessage,
  context: ProxyContext,
  { via, paths }: ResponseOptions,
): Headers {
  const headers = toClient(given, via)
  if (paths && leads(headers)) {
    const prefix = prefixOf(raw, paths)
    const { fields, host, lease } = context
    const told = fields[fields.indexOf('x-forwarded-host') + 1]
    const hosts = [hostOf(lease.backend.url), host, told]
    const scheme = lease.backend.url.startsWith('https:') ? 'https' : 'http'
    const { rewritePrefix } = paths
    if (prefix !== '') restorePrefix(headers, { prefix, rewritePrefix, hosts, scheme })
  }
  return headers
}

function leads(headers: Headers): boolean {
  return (
    headers.location !== undefined ||
    headers['set-cookie'] !== undefined ||
    headers['content-location'] !== undefined ||
    headers.refresh !== undefined
  )
}

function hostOf(url: string): string {
  return url.slice(url.indexOf('//') + 2)
}
