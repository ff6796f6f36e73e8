import { entry } from './candidates.js'
import { routeHost } from './host.js'
import { decodedPath, isMalformed, routePath, withoutQuery } from './path.js'
import { PathTree } from './path-tree.js'
import { type Preflight, preflightOf } from './preflight.js'
import { type Disagreement, disagreement, hasReadings } from './readings.js'
import { RequestValues } from './request-values.js'
import type { MatchedRoute, RoutedRequest } from './route-match.js'

/**
 * Finds the route that takes a request. The most specific one wins: an exact host is before the longest wildcard, shorter
 * ones and any host; then the longest path; then `compareConditions`; then the order of the list. Where methods, header
 * fields or query parameters do not hold, the next one is tried, down to shorter paths and then less specific hosts.
 * A wildcard is for one label or more in front of its name.
 */
export class RouteTable {
  readonly routes: readonly MatchedRoute[]
  /** By host; that of any host is empty. */
  readonly #hosts = new Map<string, PathTree>()
  /** By what follows the `*`, from the dot on. */
  readonly #wildcards = new Map<string, PathTree>()
  /** The most dots in a wildcard. */
  #wildcardDots = 0
  /** Whether any route asks for a path, so that it matters how a path is read. */
  #asksForPath = false

  /** @throws TypeError where a route's path is one that no request can have */
  constructor(routes: readonly MatchedRoute[]) {
    this.routes = routes
    for (const [index, { match }] of routes.entries()) {
      const path = routePath(match.path)
      if (path === undefined) throw new TypeError(`${match.path} is not the path of a route`)
      if (path !== '') this.#asksForPath = true
      this.#treeOf(match.host).add(path, index)
    }
    for (const tree of this.#hosts.values()) tree.complete(routes)
    for (const tree of this.#wildcards.values()) tree.complete(routes)
  }

  /**
   * @returns the index of the route; undefined where no route takes the request; `bad-path` where the path is malformed, or
   *   a server behind the gateway may read a path in it that is another route's
   */
  find(request: RoutedRequest): number | undefined | 'bad-path' {
    const path = withoutQuery(request.path)
    if (isMalformed(path)) return 'bad-path'
    const host = routeHost(request.host)
    const values = new RequestValues(request)
    const preflight = preflightOf(request.method, request.headers)
    const found = this.#route(host, decodedPath(path), values, preflight)
    if (found === undefined || !this.#asksForPath || !hasReadings(path)) return found
    return this.#disagreement(path, found, host, values, preflight) ? 'bad-path' : found
  }

  /** Why {@link find} refuses a request; undefined where it does not. */
  badPath(request: RoutedRequest): 'malformed' | Disagreement | undefined {
    const path = withoutQuery(request.path)
    if (isMalformed(path)) return 'malformed'
    const found = this.find(request)
    if (found !== 'bad-path') return undefined
    const values = new RequestValues(request)
    const preflight = preflightOf(request.method, request.headers)
    const host = routeHost(request.host)
    const plain = this.#route(host, decodedPath(path), values, preflight) as number
    return this.#disagreement(path, plain, host, values, preflight)
  }

  #disagreement(
    path: string,
    found: number,
    host: string,
    values: RequestValues,
    preflight: Preflight | undefined,
  ): Disagreement | undefined {
    const leads = (reading: string) => this.#route(host, decodedPath(reading), values, preflight)
    const whole = disagreement(path, leads)
    const { stripPrefix = '' } = this.routes[found] as MatchedRoute
    if (whole || stripPrefix === '') return whole
    // A backend that gets the path without this prefix reads what is left in ways of its own.
    const end = endOfSegments(path, stripPrefix.split('/').length - 1)
    const rest = path.slice(end) || '/'
    return hasReadings(rest)
      ? disagreement(rest, (reading) => leads(path.slice(0, end) + reading))
      : undefined
  }

  #treeOf(host = ''): PathTree {
    if (!host.startsWith('*')) return entry(this.#hosts, host, newTree)
    this.#wildcardDots = Math.max(this.#wildcardDots, host.split('.').length - 1)
    return entry(this.#wildcards, host.slice(1), newTree)
  }

  #route(
    host: string,
    path: string,
    values: RequestValues,
    preflight: Preflight | undefined,
  ): number | undefined {
    if (host !== '') {
      const exact = this.#hosts.get(host)
      const found = exact?.find(path, values, preflight)
      if (found !== undefined) return found
      if (this.#wildcardDots > 0) {
        for (let dot = this.#firstDot(host); dot !== -1; dot = host.indexOf('.', dot + 1)) {
          const wildcard = dot === 0 ? undefined : this.#wildcards.get(host.slice(dot))
          const below = wildcard?.find(path, values, preflight)
          if (below !== undefined) return below
        }
      }
    }
    const any = this.#hosts.get('')
    return any?.find(path, values, preflight)
  }

  /** Where the longest wildcard that there is could begin in a host, so that a long host costs no more. */
  #firstDot(host: string): number {
    let first = -1
    let dot = host.length
    for (let i = 0; i < this.#wildcardDots && dot > 0; i++) {
      dot = host.lastIndexOf('.', dot - 1)
      if (dot === -1) break
      first = dot
    }
    return first
  }
}

/** Where the first `count` segments of a path end. */
function endOfSegments(path: string, count: number): number {
  let end = 0
  for (let i = 0; i < count && end !== -1; i++) end = path.indexOf('/', end + 1)
  return end === -1 ? path.length : end
}

function newTree(): PathTree {
  return new PathTree()
}
