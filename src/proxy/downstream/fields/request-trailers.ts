import type { IncomingMessage } from 'node:http'
import type { UnderscoreHeaders } from '../../http/fields.js'
import { nominatedBy } from '../../http/hop-by-hop.js'
import type { TrailerRule } from '../../http/trailers.js'
import { GATEWAY_FIELDS } from './gateway-fields.js'
import { isProxyField } from './proxy-fields.js'
import { reservedFieldsOf } from './reserved-fields.js'

/** Finds `trailers` in a TE field, by which the client says that it accepts trailers. */
const TRAILERS = /(^|,)[ \t]*trailers[ \t]*(,|;|$)/i

/** Whether the client of a request accepts trailers after the response. */
export function acceptsTrailers({ headers }: IncomingMessage): boolean {
  return TRAILERS.test(String(headers.te ?? ''))
}

/** Makes the rule for the trailers of a request, by its Connection field and the fields that the gateway sets itself. */
export type TrailerRules = (raw: IncomingMessage) => TrailerRule

/**
 * Decides which trailers of requests are not passed on: the same names that are removed from the head. Trailers come
 * after the app and earlier proxies have set their fields, so the sender of a trailer is never trusted.
 */
export function trailerRules(underscoreHeaders: UnderscoreHeaders): TrailerRules {
  const isDropped: TrailerRule = (name) => {
    if (name.includes('_') && underscoreHeaders === 'drop') return true
    const hyphenated = name.replaceAll('_', '-')
    return hyphenated === 'proxy' || GATEWAY_FIELDS.has(hyphenated) || isProxyField(hyphenated)
  }
  return (raw) => {
    const nominated = nominatedBy(raw.headers.connection)
    const reserved = reservedFieldsOf(raw)
    if (!nominated && !reserved) return isDropped
    return (name) => nominated?.has(name) === true || reserved?.has(name) === true || isDropped(name)
  }
}
