import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'

/**
 * Makes the names of fields that hooks of the app have set lower case, as Node makes those of the client, so that a field
 * of the client with the same name is replaced.
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
