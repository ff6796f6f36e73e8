import type { IncomingHttpHeaders } from 'node:http'

/** The requests that a route takes. */
export interface RouteMatch {
  /** Lower case, without port: a name, or `*.` and a name for all names below it; undefined for any. */
  host: string | undefined
  /** A prefix by segments, without a slash at its end; empty for any path. */
  path: string
  /** In capitals; undefined for all. */
  methods: readonly string[] | undefined
  /** Values of header fields, by name in lower case. */
  headers: Readonly<Record<string, string>>
  /** Values of query parameters, by name. */
  query: Readonly<Record<string, string>>
}

/** What a table needs to know of a route. */
export interface MatchedRoute {
  match: RouteMatch
  /** Whether the route answers preflights of CORS: any value but undefined. */
  cors?: unknown
  /** The path that is removed before a backend gets the rest: that of the match, or the first segments of it. */
  stripPrefix?: string
}

/** What a table needs to know of a request. */
export interface RoutedRequest {
  method: string
  /** The authority of a target that is a URL, otherwise the Host field; as it came. RFC 9112 section 3.2.2. */
  host: string | undefined
  /** Path and query as they came, without scheme and authority; or `*`. */
  path: string
  /** Names in lower case, as in Node's `request.headers`: fields of one name are one text, joined with `, `. */
  headers: IncomingHttpHeaders
}
