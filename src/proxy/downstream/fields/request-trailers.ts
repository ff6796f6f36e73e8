import type { IncomingMessage } from 'node:http'
import type { UnderscoreHeaders } from '../../http/fields.js'
import { nominatedBy } from '../../http/hop-by-hop.js'
import type { TrailerRule } from '../../http/trailers.js'
import { GATEWAY_FIELDS } from './gateway-fields.js'
import { isProxyField } from './proxy-fields.js'

/** In a TE field: the client takes trailers. */
const TRAILERS = /(^|,)[ \t]*trailers[ \t]*(,|;|$)/i

/** Whether the client of a request takes trailers after the response. */
export function acceptsTrailers({ headers }: IncomingMessage): boolean {
  return TRAILERS.test(String(headers.te ?? ''))
}

/** Makes the rule for the trailers of a request with that Connection field. */
export type TrailerRules = (connection: string | string[] | undefined) => TrailerRule

/**
 * Which trailers of requests are not passed on: those that would not be as fields of the head, either. They come after the
 * app and the proxies before have set their fields, so that their sender is never trusted.
 */
export function trailerRules(underscoreHeaders: UnderscoreHeaders): TrailerRules {
  const isDropped: TrailerRule = (name) => {
    if (name.includes('_') && underscoreHeaders === 'drop') return true
    const hyphenated = name.replaceAll('_', '-')
    return hyphenated === 'proxy' || GATEWAY_FIELDS.has(hyphenated) || isProxyField(hyphenated)
  }
  return (connection) => {
    const nominated = nominatedBy(connection)
    return nominated ? (name) => nominated.has(name) || isDropped(name) : isDropped
  }
}
