import type { IncomingHttpHeaders } from 'node:http'

/** https://www.w3.org/TR/trace-context/#traceparent-header: version, trace, parent, flags; later versions may have more. */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/

/**
 * The trace id of a request whose `traceparent` is valid; null otherwise. (The field is passed on as it came, valid or
 * not, together with `tracestate` and `baggage`: a proxy that takes no part in a trace must not change them.)
 */
export function traceIdOf({ traceparent }: IncomingHttpHeaders): string | null {
  if (typeof traceparent !== 'string') return null
  const [, version, trace, more] = TRACEPARENT.exec(traceparent) ?? []
  return trace === undefined || (version === '00' && more !== undefined) ? null : trace
}
