import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'

/**
 * Writes the names of fields that hooks of the app have set in lower case, as Node writes those of the client, so that a
 * field of the client with the same name is replaced.
 */
export function settleFields(request: FastifyRequest): void {
  lowerNames(request.raw.headers)
  const { additionalHeaders } = request as { additionalHeaders?: IncomingHttpHeaders }
  if (additionalHeaders) lowerNames(additionalHeaders)
}

function lowerNames(headers: IncomingHttpHeaders): void {
  for (const name in headers) {
    const lower = name.toLowerCase()
    if (lower === name) continue
    headers[lower] = headers[name]
    delete headers[name]
  }
}
