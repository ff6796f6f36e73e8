import type { TLSSocket } from 'node:tls'
import type { Attributes } from '@opentelemetry/api'
import type { FastifyRequest } from 'fastify'
import type { Backend } from '../../balancer/backends/backend.js'
import { isUnixUrl } from '../../balancer/backends/unix-url.js'
import { pathOf } from '../../text/printable.js'

// Names and values follow OpenTelemetry's semantic conventions for HTTP spans, version 1.27 and later:
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/

/** Methods by which spans are told apart. Clients can make up others, without end. */
const KNOWN_METHODS = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'QUERY',
  'TRACE',
])

const PORT = /:(\d+)$/

/** The name of a span: the method, and the path of the route where it has one. */
export function spanNameOf(method: string, route?: string): string {
  const known = KNOWN_METHODS.has(method) ? method : 'HTTP'
  return route === undefined ? known : `${known} ${route}`
}

/**
 * The attributes of a request that has arrived. An SDK decides by them whether to record a trace, so that they are made
 * for each request, and there are few.
 */
export function arrivalAttributes({ method, originalUrl, raw }: FastifyRequest): Attributes {
  const attributes = methodAttributes(method)
  // The query is left out because it may contain secrets.
  attributes['url.path'] = pathOf(originalUrl)
  attributes['url.scheme'] = (raw.socket as TLSSocket).encrypted ? 'https' : 'http'
  return attributes
}

function methodAttributes(method: string): Attributes {
  return KNOWN_METHODS.has(method)
    ? { 'http.request.method': method }
    : { 'http.request.method': '_OTHER', 'http.request.method_original': method }
}

/** What else is known of a request. */
export function requestAttributes({ raw }: FastifyRequest): Attributes {
  const { httpVersion, headers } = raw
  const host = headers.host ?? (headers[':authority'] as string | undefined)
  return {
    ...(host === undefined ? {} : hostAttributes(host)),
    'network.protocol.version': versionOf(httpVersion),
    'user_agent.original': headers['user-agent'],
  }
}

/** The attributes of a request to a backend. */
export function upstreamAttributes(method: string, path: string, { url, host }: Backend): Attributes {
  const isUnix = isUnixUrl(url)
  return {
    ...methodAttributes(method),
    ...(isUnix ? { 'server.address': url.slice('unix:'.length) } : hostAttributes(host, url)),
    'url.full': isUnix ? `http://localhost${pathOf(path)}` : url + pathOf(path),
    'network.protocol.version': '1.1',
  }
}

/** @param url the URL whose scheme has the port that is not named */
function hostAttributes(host: string, url?: string): Attributes {
  const port = PORT.exec(host)?.[1]
  const address = port === undefined ? host : host.slice(0, -1 - port.length)
  const implied = url === undefined ? undefined : url.startsWith('https:') ? 443 : 80
  return {
    'server.address': address.replace(/^\[(.*)\]$/, '$1'),
    'server.port': port === undefined ? implied : Number(port),
  }
}

/** HTTP/2 and HTTP/3 have no minor version. */
function versionOf(httpVersion: string): string {
  return httpVersion === '2.0' ? '2' : httpVersion
}
