import { type Headers, isFieldValue, isToken } from './fields.js'

/**
 * Matches fields that must not be trailers (RFC 9110 section 6.5.1): fields for framing, routing, request modifiers,
 * authentication, control of the response, and the way to read the body. Fields in which proxies name the client must
 * not be trailers either.
 */
const FORBIDDEN = new RegExp(
  `^(${[
    'age|allow|authorization|cache-control|connection|content-(encoding|length|location|range|type)|cookie|date',
    'expect|expires|forwarded|host|http2-settings|if-.*|keep-alive|location|max-forwards|pragma|proxy(-.*)?|range|retry-after',
    'set-cookie|te|trailer|transfer-encoding|upgrade|vary|via|www-authenticate|x-forwarded(-.*)?',
    '(.*-)?client-ip|x-original-.*|x-real-ip|x-rewrite-url',
  ].join('|')})$`,
)

/** Returns true if a trailer, given by its name in lower case, is not passed on. */
export type TrailerRule = (name: string) => boolean

/**
 * Returns true if a field can be sent as a trailer. A recipient must do without trailers (RFC 9110 section 6.5.1), so one
 * that cannot be sent is left out, and the message ends well.
 * @param name in lower case
 * @param lines the field's values, one for each line
 * @param isDropped decides which further trailers are left out of a message
 */
export function isSendableTrailer(
  name: string,
  lines: readonly string[],
  isDropped: TrailerRule | undefined,
): boolean {
  if (!isToken(name) || !lines.every(isFieldValue)) return false
  // Some servers treat an underscore in a field's name as a hyphen.
  return !FORBIDDEN.test(name.replaceAll('_', '-')) && !isDropped?.(name)
}

/**
 * Returns the trailers that can be sent with a message.
 * @param isDropped decides which further trailers are left out of this message
 */
export function sendableTrailers(trailers: Headers, isDropped?: TrailerRule): Headers {
  const names = Object.keys(trailers).filter((name) =>
    isSendableTrailer(name, [trailers[name] ?? []].flat(), isDropped),
  )
  // A name may be `__proto__`, which becomes a property like any other here.
  return Object.fromEntries(names.map((name) => [name, trailers[name]]))
}
