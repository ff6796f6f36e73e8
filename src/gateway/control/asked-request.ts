import type { IncomingHttpHeaders } from 'node:http'
import type { RequestInquiry } from '../../admin/contract/request-explanation.js'
import type { Credentials } from '../../auth/verdict.js'
import type { RoutedRequest } from '../../routing/route-match.js'

/** A request that somebody asks about, in the form in which the parts of the gateway take one. */
export interface AskedRequest extends RoutedRequest, Credentials {
  readonly headers: IncomingHttpHeaders
  /** Address of the client. */
  readonly client: string
  /** Whether it asks for an upgrade. */
  readonly upgrade: boolean
  /** Whether it is sent again where a backend fails it. */
  readonly repeatable: boolean
}

/** Makes the request that an inquiry describes. */
export function askedRequest(inquiry: RequestInquiry): AskedRequest {
  const { method = 'GET', path, host, headers: given = {}, client = '127.0.0.1' } = inquiry
  const headers: IncomingHttpHeaders = {}
  const rawHeaders: string[] = []
  const add = (name: string, value: string) => {
    headers[name.toLowerCase()] = value
    rawHeaders.push(name, value)
  }
  if (host !== undefined) add('host', host)
  for (const [name, value] of Object.entries(given))
    if (host === undefined || name.toLowerCase() !== 'host') add(name, value)
  return {
    method,
    host: headers.host,
    path,
    headers,
    rawHeaders,
    client,
    upgrade: headers.upgrade !== undefined,
    repeatable: method === 'GET' || method === 'HEAD',
  }
}
