import { routeHost } from './host.js'
import { decodedPath, routePath, withoutQuery } from './path.js'
import { preflightOf } from './preflight.js'
import { RequestValues } from './request-values.js'
import type { MatchedRoute, RoutedRequest, RouteMatch } from './route-match.js'
import type { RouteTable } from './route-table.js'
import { type Condition, compareConditions, conditionsOf } from './specificity.js'

/** How many routes are told that did not take a request. */
const MAX_OTHERS = 10

/** What a route asked for and whether it got it, in words for people. */
export interface RouteReason {
  /** The place of the route in the table's list. */
  route: number
  reason: string
}

export interface MatchExplanation {
  outcome: 'route' | 'no-route' | 'bad-path'
  /** Undefined where no route takes the request. */
  route: number | undefined
  /** Why it is this route, or none. */
  reason: string
  /** Routes that were near, the nearest first: they take it too but are less specific, or all but one thing holds. */
  others: RouteReason[]
}

/** Says which route takes a request and why, and why those did not that are near. Looks at every route. */
export function explainMatch(table: RouteTable, request: RoutedRequest): MatchExplanation {
  const found = table.find(request)
  const path = decodedPath(withoutQuery(request.path))
  const values = new RequestValues(request)
  const host = routeHost(request.host)
  const near: { route: number; misses: string[] }[] = []
  for (const [route, { match }] of table.routes.entries()) {
    if (route === found) continue
    const misses = missesOf(match, host, path, values)
    if (misses.length <= 1) near.push({ route, misses })
  }
  const matchOf = (route: number) => (table.routes[route] as MatchedRoute).match
  near.sort((a, b) => a.misses.length - b.misses.length || compareMatches(matchOf(a.route), matchOf(b.route)))
  const others = near.slice(0, MAX_OTHERS).map(({ route, misses: [miss] }): RouteReason => {
    if (miss !== undefined) return { route, reason: miss }
    if (typeof found !== 'number') return { route, reason: 'everything holds' }
    return { route, reason: `everything holds, but ${lessSpecific(matchOf(found), matchOf(route))}` }
  })
  if (found === undefined)
    return { outcome: 'no-route', route: undefined, reason: 'no route takes it', others }
  if (found === 'bad-path')
    return { outcome: 'bad-path', route: undefined, reason: badPath(table, request), others }
  const isPreflight = missesOf(matchOf(found), host, path, values).length > 0
  const reason = isPreflight ? preflightReason(request) : takenReason(matchOf(found))
  return { outcome: 'route', route: found, reason, others }
}

function preflightReason({ method, headers }: RoutedRequest): string {
  const asked = preflightOf(method, headers)?.method
  return `it is a preflight of CORS for ${asked}, which this route takes`
}

/** What does not hold of a match. */
function missesOf(match: RouteMatch, host: string, path: string, values: RequestValues): string[] {
  const misses: string[] = []
  if (!hasHost(match.host, host)) {
    misses.push(`host is ${host === '' ? 'missing' : host}, and the route is for ${match.host}`)
  }
  if (!hasPath(routePath(match.path) as string, path)) {
    misses.push(`path is ${path}, and the route is for ${match.path}`)
  }
  if (match.methods && !match.methods.includes(values.method)) {
    misses.push(`method is ${values.method}, and the route is for ${match.methods.join(', ')}`)
  }
  for (const condition of conditionsOf(match)) {
    const value = values.valueOf(condition.kind, condition.name)
    if (value === condition.value) continue
    const is = value === undefined ? 'is missing' : `is ${JSON.stringify(value)}`
    misses.push(`${label(condition)} ${is}, and the route asks for ${JSON.stringify(condition.value)}`)
  }
  return misses
}

function hasHost(wanted: string | undefined, host: string): boolean {
  if (wanted === undefined || wanted === host) return true
  return wanted.startsWith('*') && host.endsWith(wanted.slice(1)) && host.length >= wanted.length
}

function hasPath(wanted: string, path: string): boolean {
  return wanted === '' || path === wanted || path.startsWith(`${wanted}/`)
}

/** What the route asks for, all of which holds. */
function takenReason(match: RouteMatch): string {
  const parts: string[] = []
  if (match.host !== undefined) parts.push(`host ${match.host}`)
  if (match.path !== '') parts.push(`path ${match.path}`)
  if (match.methods) parts.push(`method ${match.methods.join(', ')}`)
  for (const condition of conditionsOf(match))
    parts.push(`${label(condition)} ${JSON.stringify(condition.value)}`)
  return parts.length === 0 ? 'it takes every request' : `the most specific that holds: ${parts.join('; ')}`
}

/** In which way the route that was taken is more specific. */
function lessSpecific(taken: RouteMatch, other: RouteMatch): string {
  if (taken.host !== other.host)
    return `its host, ${other.host ?? 'any'}, is less specific than ${taken.host}`
  if (taken.path !== other.path) return `its path, ${other.path === '' ? 'any' : other.path}, is shorter`
  if (taken.methods && !other.methods) return 'it names no methods'
  const headers = Object.keys(taken.headers).length - Object.keys(other.headers).length
  if (headers > 0) return 'it asks for fewer header fields'
  if (compareConditions(taken, other) < 0) return 'it asks for fewer query parameters'
  return 'it is equally specific and comes later'
}

function badPath(table: RouteTable, request: RoutedRequest): string {
  const fault = table.badPath(request)
  if (fault === 'too-many-readings') return 'the path can be read in too many ways'
  if (typeof fault !== 'object') return 'the path is malformed'
  return `a backend may read this path as ${fault.reading}, which is not for the same route`
}

function label({ kind, name }: Condition): string {
  return kind === 'header' ? `header ${name}` : `query parameter ${name}`
}

/** Orders routes by specificity, as the table tries them. */
function compareMatches(a: RouteMatch, b: RouteMatch): number {
  return (
    hostRank(b.host) - hostRank(a.host) || segmentsOf(b.path) - segmentsOf(a.path) || compareConditions(a, b)
  )
}

function hostRank(host: string | undefined): number {
  if (host === undefined) return 0
  return host.startsWith('*') ? host.split('.').length : Number.MAX_SAFE_INTEGER
}

function segmentsOf(path: string): number {
  return path.split('/').length
}
