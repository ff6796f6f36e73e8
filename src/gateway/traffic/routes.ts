import type { IncomingMessage } from 'node:http'
import type { RouteConfig } from '../../config/file/gateway-config.js'
import { MAX_FIELDS } from '../../proxy/downstream/fields/field-limits.js'
import { keepTarget, targetOf } from '../../proxy/downstream/request/target.js'
import { assignRoute, type Route } from '../../proxy/http/route.js'
import { RouteTable } from '../../routing/route-table.js'

/** Where Fastify's router finds what answers a request that no route takes. */
export const UNROUTED = {
  none: '/-/no-route',
  badPath: '/-/bad-path',
  badTarget: '/-/bad-target',
  tooManyFields: '/-/too-many-fields',
} as const

/** A route, and the path by which Fastify's router finds the scope that has its plugins. */
interface Entry {
  readonly route: Route
  readonly url: string
}

/**
 * The routes of a configuration. A table finds the route of a request, and Fastify's router the scope of the route:
 * Fastify itself takes at most 31 routes with constraints for a path, and each costs it as much as a path of its own.
 */
export class Routes {
  readonly #table: RouteTable
  readonly #entries: Entry[] = []
  #scopes = 0

  constructor(configs: readonly RouteConfig[]) {
    this.#table = new RouteTable(configs)
  }

  /** Returns the URL by which Fastify's router finds another scope. */
  newUrl(): string {
    return `/${this.#scopes++}`
  }

  /** Sets what handles the requests of a route. @param index of the route in the configuration */
  set(index: number, route: Route, url: string): void {
    this.#entries[index] = { route, url }
  }

  /** Assigns a route to a request, and returns the URL for Fastify's router: its `rewriteUrl`. */
  readonly urlOf = (raw: IncomingMessage): string => {
    const target = targetOf(raw)
    keepTarget(raw)
    if (target === undefined) return UNROUTED.badTarget
    // Node makes `headers` on the first access, and that takes the longer the more fields there are.
    if (raw.rawHeaders.length / 2 > MAX_FIELDS) return UNROUTED.tooManyFields
    const { method = 'GET', headers } = raw
    const host = target.authority ?? headers.host ?? (headers[':authority'] as string | undefined)
    const found = this.#table.find({ method, host, path: target.path, headers })
    if (found === undefined) return UNROUTED.none
    if (found === 'bad-path') return UNROUTED.badPath
    const { route, url } = this.#entries[found] as Entry
    assignRoute(raw, route)
    return url
  }
}
