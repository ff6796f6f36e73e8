import type { OutgoingHttpHeaders } from 'node:http'
import type { Headers } from './fields.js'

/**
 * What must not come after a body: framing, routing, request modifiers, authentication, what controls a
 * response, and what says how to read the body, RFC 9110 section 6.5.1; nor who the client is, which is for proxies to
 * say in the head.
 */
const NO_TRAILER = new RegExp(
  `^(${[
    'age|allow|authorization|cache-control|connection|content-(encoding|length|location|range|type)|cookie|date',
    'expect|expires|forwarded|host|if-.*|keep-alive|location|max-forwards|pragma|proxy(-.*)?|range|retry-after',
    'set-cookie|te|trailer|transfer-encoding|upgrade|vary|via|www-authenticate|x-forwarded(-.*)?',
    '(.*-)?client-ip|x-original-.*|x-real-ip|x-rewrite-url',
  ].join('|')})$`,
)

/** Whether one more trailer, by its name in lower case, is not passed on. */
export type TrailerRule = (name: string) => boolean

/**
 * Adds the trailers that may be passed on to a message that is about to end.
 * @param isLeftOut says which of the trailers that any message may have are not added to this one
 */
export function addTrailers(
  message: { addTrailers(fields: OutgoingHttpHeaders): void },
  trailers: Headers,
  isLeftOut: TrailerRule = () => false,
): void {
  // Some servers take an underscore for a hyphen.
  const names = Object.keys(trailers).filter(
    (name) => !NO_TRAILER.test(name.replaceAll('_', '-')) && !isLeftOut(name),
  )
  if (names.length > 0) message.addTrailers(Object.fromEntries(names.map((name) => [name, trailers[name]])))
}
