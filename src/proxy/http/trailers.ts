import type { OutgoingHttpHeaders } from 'node:http'
import type { Headers } from './fields.js'

/**
 * Matches fields that must not be trailers (RFC 9110 section 6.5.1): fields for framing, routing, request modifiers,
 * authentication, control of the response, and the way to read the body. Fields in which proxies name the client must
 * not be trailers either.
 */
const FORBIDDEN = new RegExp(
  `^(${[
    'age|allow|authorization|cache-control|connection|content-(encoding|length|location|range|type)|cookie|date',
    'expect|expires|forwarded|host|if-.*|keep-alive|location|max-forwards|pragma|proxy(-.*)?|range|retry-after',
    'set-cookie|te|trailer|transfer-encoding|upgrade|vary|via|www-authenticate|x-forwarded(-.*)?',
    '(.*-)?client-ip|x-original-.*|x-real-ip|x-rewrite-url',
  ].join('|')})$`,
)

/** Returns true if a trailer, given by its name in lower case, is not passed on. */
export type TrailerRule = (name: string) => boolean

/**
 * Returns true if a field may be sent as a trailer.
 * @param name in lower case
 * @param isDropped decides which further trailers are left out of a message
 */
export function mayBeTrailer(name: string, isDropped: TrailerRule | undefined): boolean {
  // Some servers treat an underscore in a field's name as a hyphen.
  return !FORBIDDEN.test(name.replaceAll('_', '-')) && !isDropped?.(name)
}

/**
 * Adds trailers to a message that is about to end, except trailers that no message may have.
 * @param isDropped decides which further trailers are left out of this message
 */
export function addTrailers(
  message: { addTrailers(fields: OutgoingHttpHeaders): void },
  trailers: Headers,
  isDropped?: TrailerRule,
): void {
  const names = Object.keys(trailers).filter((name) => mayBeTrailer(name, isDropped))
  if (names.length > 0) message.addTrailers(Object.fromEntries(names.map((name) => [name, trailers[name]])))
}
