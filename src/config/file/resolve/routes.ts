// Over 200 lines: each part of a route, in the order of the file.
import { isIP } from 'node:net'
import { isAddressRange } from '../../../proxy/http/address-ranges.js'
import { ambiguousPairs } from '../../../routing/ambiguity.js'
import { routePath } from '../../../routing/path.js'
import type { CorsConfig, RedirectConfig, RouteConfig, RouteMatch, WeightedPool } from '../gateway-config.js'
import type { Mistakes, Path } from '../mistakes.js'
import { type CorsValue, DEFAULT_MIRROR_BODY_BYTES, type RouteValue } from '../schema/route-schema.js'
import { meant } from '../schema-check.js'
import { type Credentials, exactlyOne } from './credentials.js'
import { resolveHeaders } from './header-names.js'
import { nameRoutes } from './route-names.js'
import { isOrigin, isTarget, pathAdvice, rateLimitOf, upper } from './route-values.js'

const DEFAULT_CORS_METHODS = ['GET', 'HEAD', 'POST']
/** Most pairs of routes that are reported as ambiguous. */
const MAX_PAIRS = 100

/** Makes the routes of a file. @param pools the names of its pools */
export function resolveRoutes(
  given: readonly RouteValue[],
  pools: ReadonlySet<string>,
  credentials: Credentials,
  mistakes: Mistakes,
): RouteConfig[] {
  const reader = new RouteReader(pools, credentials, mistakes)
  // A route that is no object is undefined, and has a mistake.
  const routes = given.flatMap((route, i) => (route === undefined ? [] : [reader.read(route, ['routes', i])]))
  const places = given.flatMap((route, i) => (route === undefined ? [] : [i]))
  nameRoutes(routes, places, mistakes)
  for (const [a, b] of ambiguousPairs(
    routes.map(({ match }) => match),
    MAX_PAIRS,
  )) {
    const [first, second] = [places[a] as number, places[b] as number]
    if (mistakes.covers(['routes', first, 'match']) || mistakes.covers(['routes', second, 'match'])) continue
    const line = mistakes.lineOf(['routes', first])
    mistakes.add(
      ['routes', second, 'match'],
      `takes requests that routes[${first}] in line ${line} takes as well, and neither is more specific`,
    )
  }
  return routes
}

class RouteReader {
  readonly #pools: ReadonlySet<string>
  readonly #credentials: Credentials
  readonly #mistakes: Mistakes

  constructor(pools: ReadonlySet<string>, credentials: Credentials, mistakes: Mistakes) {
    this.#pools = pools
    this.#credentials = credentials
    this.#mistakes = mistakes
  }

  read(route: RouteValue, path: Path): RouteConfig {
    const { mirror, rateLimit, auth, cors, timeouts = {} } = route
    const match = this.#match(route.match ?? {}, [...path, 'match'])
    const at = (name: string) => [...path, name]
    if (route.redirect && mirror)
      this.#mistakes.add(at('mirror'), 'is not for a redirect, which reaches no pool', 'name')
    if (mirror?.pool !== undefined) this.#checkPool(mirror.pool, [...path, 'mirror', 'pool'])
    return {
      name: route.name ?? '',
      match,
      pools: this.#poolsOf(route, path),
      mirror: mirror && {
        pool: mirror.pool,
        percent: mirror.percent ?? 100,
        maxBody: mirror.maxBody ?? DEFAULT_MIRROR_BODY_BYTES,
      },
      redirect: route.redirect && this.#redirect(route.redirect, at('redirect')),
      stripPrefix: this.#stripPrefix(route.stripPrefix ?? '', match.path, at('stripPrefix')),
      rewritePrefix: this.#path(route.rewritePrefix ?? '', at('rewritePrefix')),
      headers: {
        request: resolveHeaders(
          route.headers?.request,
          'request',
          [...path, 'headers', 'request'],
          this.#mistakes,
        ),
        response: resolveHeaders(
          route.headers?.response,
          'response',
          [...path, 'headers', 'response'],
          this.#mistakes,
        ),
      },
      allow: route.allow && this.#addresses(route.allow, at('allow')),
      deny: this.#addresses(route.deny ?? [], at('deny')),
      rateLimit: rateLimit && rateLimitOf(rateLimit),
      auth: auth && this.#credentials.resolve(auth, at('auth')),
      cors: cors && this.#cors(cors, match, at('cors')),
      compress: route.compress ?? false,
      maxBody: route.maxBody,
      retries: route.retries,
      hedge: route.hedge as RouteConfig['hedge'],
      timeouts: { connect: timeouts.connect, response: timeouts.response, body: timeouts.body },
    }
  }

  #match({ host, path = '', methods, headers, query }: RouteValue['match'], at: Path): RouteMatch {
    return {
      host: host === undefined ? undefined : this.#host(host, [...at, 'host']),
      path: this.#matchedPath(path, [...at, 'path']),
      methods: methods && upper(methods),
      headers: this.#lowered(headers ?? {}, [...at, 'headers']),
      query: { ...query },
    }
  }

  #lowered(headers: Readonly<Record<string, string>>, path: Path): Record<string, string> {
    const found = new Map<string, string>()
    for (const [name, value] of Object.entries(headers)) {
      const lower = name.toLowerCase()
      if (found.has(lower))
        this.#mistakes.add([...path, name], 'comes twice: names of fields have no case', 'name')
      found.set(lower, value)
    }
    return Object.fromEntries(found)
  }

  #host(text: string, path: Path): string {
    const host = text.toLowerCase()
    const name = host.startsWith('*.') ? host.slice(2) : host
    const isAddress = isIP(name) === 4 || (/^\[.*\]$/.test(name) && isIP(name.slice(1, -1)) === 6)
    const isName =
      name.length <= 253 &&
      /^([a-z0-9_]([\w-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([\w-]{0,61}[a-z0-9_])?$/.test(name)
    if (isAddress ? host === name : isName && !/(^|\.)\d+$/.test(name)) return host
    const why = /:\d*$/.test(name)
      ? 'it takes a host without a port'
      : 'it takes a name like api.example.com, one like *.example.com, or an address; names beyond ASCII are written with xn--'
    this.#mistakes.refuse(path, text, why)
    return host
  }

  /** Many think of * as "what is below", which a path takes anyway. An asterisk itself can be written as %2A. */
  #matchedPath(text: string, at: Path): string {
    if (!text.includes('*')) return this.#path(text, at)
    this.#mistakes.refuse(at, text, 'it takes a path without *, and what is below a path matches as well')
    return ''
  }

  /** A path without a slash at its end; empty for `/`. */
  #path(text: string, at: Path): string {
    if (text === '/' || text === '') return ''
    if (routePath(text) !== undefined) return text
    this.#mistakes.refuse(at, text, pathAdvice(text))
    return ''
  }

  #stripPrefix(text: string, matched: string, path: Path): string {
    const prefix = this.#path(text, path)
    const isStart = prefix === '' || matched === prefix || matched.startsWith(`${prefix}/`)
    const at = [...path.slice(0, -1), 'match', 'path']
    if (!isStart && !this.#mistakes.covers(at)) {
      const shown = this.#mistakes.shownValue(at, matched || '/')
      this.#mistakes.refuse(
        path,
        text,
        `it takes match.path, which is ${shown}, or a start of it by whole segments`,
      )
    }
    return prefix
  }

  #poolsOf(route: RouteValue, path: Path): WeightedPool[] {
    const { pool, split, redirect } = route
    if (!exactlyOne({ pool, split, redirect }, path, this.#mistakes)) return []
    if (pool !== undefined) {
      this.#checkPool(pool, [...path, 'pool'])
      return [{ pool, weight: 1 }]
    }
    const parts = Object.entries(split ?? {})
    for (const [name] of parts) this.#checkPool(name, [...path, 'split', name], 'name')
    const at = [...path, 'split']
    if (split && parts.every(([, weight]) => weight === 0) && !this.#mistakes.covers(at))
      this.#mistakes.add(at, 'has only weights of 0, so that no pool gets a request')
    return parts.map(([name, weight]) => ({ pool: name, weight: weight as number }))
  }

  #checkPool(name: string, path: Path, part: 'name' | 'value' = 'value'): void {
    if (this.#pools.has(name) || this.#mistakes.covers(['pools', name])) return
    const shown = this.#mistakes.shownValue(path, name)
    this.#mistakes.add(path, `there is no pool ${shown}${meant(name, [...this.#pools])}`, part)
  }

  #redirect({ status = 308, to = '' }: NonNullable<RouteValue['redirect']>, path: Path): RedirectConfig {
    const at = [...path, 'to']
    if (!this.#mistakes.covers(at) && to !== '' && !isTarget(to))
      this.#mistakes.refuse(
        at,
        to,
        'it takes a URL of http or https without credentials and fragment, or a path',
      )
    return { status, to }
  }

  #addresses(list: readonly string[], path: Path): readonly string[] {
    for (const [i, text] of list.entries()) {
      if (text === undefined || isAddressRange(text)) continue
      this.#mistakes.refuse(
        [...path, i],
        text,
        'it takes an address, or a range like 10.0.0.0/8 or 2001:db8::/32',
      )
    }
    return list
  }

  #cors(cors: CorsValue, match: RouteMatch, path: Path): CorsConfig {
    const at = [...path, 'origin']
    const given = cors.origin ?? []
    const origins = typeof given === 'string' ? [given] : given
    const isAny = origins.length === 1 && origins[0] === '*'
    for (const [i, origin] of origins.entries()) {
      if (isAny || origin === undefined || isOrigin(origin)) continue
      const place = typeof given === 'string' ? at : [...at, i]
      this.#mistakes.refuse(
        place,
        origin,
        'it takes an origin like https://app.example.com, or * alone for all',
      )
    }
    if (isAny && cors.credentials)
      this.#mistakes.add(
        [...path, 'credentials'],
        'is not for origin "*": browsers refuse that, so name the origins',
      )
    return {
      origin: isAny ? '*' : origins,
      methods: cors.methods ? upper(cors.methods) : (match.methods ?? DEFAULT_CORS_METHODS),
      allowedHeaders: cors.allowedHeaders,
      exposedHeaders: cors.exposedHeaders ?? [],
      credentials: cors.credentials ?? false,
      maxAge: cors.maxAge,
    }
  }
}
