import type { FastifyInstance } from 'fastify'
import { requestHandlingPlugin } from '../../../plugins/request-handling.js'
import type { RouteConfig } from '../../config/file/gateway-config.js'
import type { Pool } from '../../pool/pool.js'
import { type RouteOptions, rulesFor, type ScopeFacts, splitRulesFor } from '../../pool/rules.js'
import type { WeightedTarget } from '../../pool/split.js'
import { bodyLimitOf, isParsed } from '../../proxy/downstream/body/raw-bodies.js'
import { hasHooks } from '../../proxy/downstream/host-app/hooks.js'
import { allMethods } from '../../proxy/downstream/host-app/proxied-routes.js'
import { RequestHandler } from '../../proxy/handle.js'
import { requestChangesOf, responseChangesOf } from '../../proxy/http/header-changes.js'
import { passedOn } from '../../proxy/http/methods.js'
import { routeOf } from '../../proxy/http/route.js'
import { type Trust, trustOf } from '../../proxy/http/trust.js'
import type { RouteRules } from '../../proxy/route-rules.js'
import { grouped } from './grouped.js'
import { endRecursion } from './recursion.js'
import { accessOf, addPlugins, type GuardedRoute, pluginsKey } from './route-plugins.js'
import type { RouteServices } from './route-services.js'
import type { Routes } from './routes.js'

/** A route that leads to a pool. */
export interface ProxiedRoute {
  /** Index in the configuration. */
  readonly index: number
  readonly config: RouteConfig
  /** The pool that it leads to; where there are several, the first, whose settings apply before one is chosen. */
  readonly pool: Pool
  /** The pools that it leads to, and the weight of each. */
  readonly pools: readonly [WeightedTarget<Pool>, ...WeightedTarget<Pool>[]]
  /** The pool that gets copies of the requests; undefined for none. */
  readonly mirror: Pool | undefined
  /** Request fields in lower case that other routes to its pools set, and clients of this one must not. */
  readonly removed: readonly string[]
}

/**
 * Adds scopes for routes that lead to pools: one for all routes with the same plugins, because a scope costs as much as
 * many routes.
 */
export async function addProxiedScopes(
  app: FastifyInstance,
  proxied: readonly ProxiedRoute[],
  routes: Routes,
  services: RouteServices,
): Promise<void> {
  // Requests are shed by the settings of a pool, before the plugins of a scope see them.
  const sheddingKey = ({ pool: { settings } }: ProxiedRoute) =>
    `${settings.maxEventLoopDelay} ${settings.maxHeapBytes} ${settings.bodyTimeout}`
  for (const alike of grouped(proxied, sheddingKey)) {
    const { maxEventLoopDelay, maxHeapBytes, bodyTimeout } = alike[0].pool.settings
    await app.register(async (base) => {
      const handler = new RequestHandler((raw) => routeOf(raw) as RouteRules)
      await base.register(requestHandlingPlugin, { handler, maxEventLoopDelay, maxHeapBytes, bodyTimeout })
      const scopeKey = ({ config, pool }: ProxiedRoute) =>
        pluginsKey(config) + JSON.stringify(pool.settings.trustProxy)
      for (const members of grouped(alike, scopeKey)) {
        await base.register(async (scope) => addScope(scope, members, handler, routes, services))
      }
    })
  }
}

async function addScope(
  scope: FastifyInstance,
  members: readonly [ProxiedRoute, ...ProxiedRoute[]],
  handler: RequestHandler,
  routes: Routes,
  services: RouteServices,
): Promise<void> {
  const [{ config, pool }] = members
  endRecursion(scope)
  // The members of a scope trust the same proxies.
  const trust = trustOf(pool.settings.trustProxy)
  await addPlugins(scope, config, services, trust)
  const facts: ScopeFacts = {
    server: scope.server,
    // There is no app around the gateway's own plugins. Those that set fields of requests mark them as trusted.
    appHooks: {
      seeResponses: hasHooks(scope, ['onSend']),
      touchRequests: false,
      wrapHandlers: false,
      runInContext: false,
    },
    bodyLimit: bodyLimitOf(scope),
    joinsSlashes: false,
  }
  const url = routes.newUrl()
  const methods = allMethods(scope)
  for (const parsed of [false, true]) {
    const method = methods.filter((one) => isParsed(one) === parsed)
    scope.route({ method, url, handler: handler.forward, exposeHeadRoute: false })
  }
  for (const member of members) {
    const options = optionsOf(member, services, trust)
    const { pool, pools } = member
    const rules = pools.length > 1 ? splitRulesFor(pools, options, facts) : rulesFor(pool, options, facts)
    const route: RouteRules & GuardedRoute = { ...rules, access: accessOf(member.config) }
    routes.set(member.index, route, url)
  }
}

function optionsOf(
  { config, mirror, removed }: ProxiedRoute,
  { meter }: RouteServices,
  trust: Trust,
): RouteOptions {
  const {
    name,
    match,
    stripPrefix,
    rewritePrefix,
    headers,
    cors,
    compress,
    timeouts,
    retries,
    hedge,
    maxBody,
  } = config
  return {
    name,
    path: match.path === '' ? undefined : match.path,
    segments: stripPrefix === '' ? 0 : stripPrefix.split('/').length - 1,
    rewritePrefix,
    restoresPrefix: true,
    methods: passedOn,
    trust,
    requestChanges: requestChangesOf({
      ...headers.request,
      remove: [...headers.request.remove, ...removed],
    }),
    responseChanges: responseChangesOf(headers.response, cors && { varies: cors.origin !== '*' }),
    compress,
    timeouts,
    retries,
    hedge,
    maxBody,
    mirror: mirror &&
      config.mirror && { ...config.mirror, pool: mirror, count: meter.of(name).countMirrored },
    observers: [meter.of(name).observe],
  }
}
