import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'

/**
 * Converts the names of fields that hooks of the app have set to lower case. The client's field names are lower case in
 * Node, so a field set by the app then replaces the client's field of the same name.
 */
export function lowerNames(request: FastifyRequest): void {
  lowerKeys(request.raw.headers)
  const { additionalHeaders } = request as { additionalHeaders?: IncomingHttpHeaders }
  if (additionalHeaders) lowerKeys(additionalHeaders)
}

function lowerKeys(headers: IncomingHttpHeaders): void {
  for (const name in headers) {
    const lower = name.toLowerCase()
    if (lower === name) continue
    headers[lower] = headers[name]
    delete headers[name]
  }
}
