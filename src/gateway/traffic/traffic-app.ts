import { createServer, type Server } from 'node:http'
import type { Socket } from 'node:net'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyRequest,
} from 'fastify'
import type { Logger } from 'pino'
import type { GatewayConfig, RouteConfig } from '../../config/file/gateway-config.js'
import type { Settings } from '../../config/settings.js'
import type { Pool } from '../../pool/pool.js'
import type { RejectionObserver } from '../../proxy/downstream/connection/early-rejection.js'
import { sendError } from '../../proxy/downstream/errors/error-response.js'
import {
  AmbiguousPathError,
  InvalidRequestError,
  NoRouteError,
  notFound,
  TooManyFieldsError,
} from '../../proxy/downstream/errors/errors.js'
import { routableUrl, targetOf } from '../../proxy/downstream/request/target.js'
import { routeUpgrades } from '../../proxy/downstream/upgrade/upgrade.js'
import { trustOf } from '../../proxy/http/trust.js'
import { appOptions } from '../app-options.js'
import { foreignIdentityFields } from './forwarded-identity.js'
import { addProxiedScopes, type ProxiedRoute } from './proxied-scopes.js'
import { addRedirectScopes, type RedirectRoute } from './redirect-scopes.js'
import { NO_ROUTE, type RouteServices } from './route-services.js'
import { Routes, UNROUTED } from './routes.js'
import { proxyToPool } from './single-pool.js'
import { UnproxiedRequests } from './unproxied-requests.js'

const NO_QUERY = Object.freeze({})

/**
 * The app that handles the traffic of one configuration. It does not listen: the listeners pass requests to its server,
 * and to that of another app once another configuration is in force.
 */
export interface TrafficApp {
  /** Takes requests as the events of a server that listens. */
  readonly server: Server
  /** The observer of rejections of requests, or of other bytes, that no route ever saw. */
  readonly rejected: RejectionObserver
  /** Ends what belongs to the app. Requests that it handles go on. */
  close(): Promise<void>
}

/**
 * Makes the app for a configuration, ready for requests.
 * @param pools the pools of the configuration, by name
 */
export async function createTrafficApp(
  config: GatewayConfig,
  settings: Settings,
  logger: Logger,
  pools: ReadonlyMap<string, Pool>,
  services: RouteServices,
): Promise<TrafficApp> {
  const log = settings.logLevel === 'silent' ? undefined : (logger as FastifyBaseLogger)
  const pool = pools.get(config.pools[0]?.name ?? '')
  if (!pool) throw new Error('a configuration has at least one pool')
  const routes = config.routes && new Routes(config.routes)
  const trust = trustOf(routes ? settings.trustProxy : pool.settings.trustProxy)
  const unproxied = new UnproxiedRequests(pool.balancer, { isOfPool: !routes, trust, log })
  const server = createServer()
  const app = Fastify({
    ...appOptions(settings, logger),
    serverFactory(handler) {
      server.on('request', handler)
      return server
    },
    frameworkErrors(error, request, reply) {
      unproxied.watch(request, reply)
      sendError(error, request, reply)
    },
    // Requests that still come on open connections are served, and their responses say that the connection closes.
    return503OnClosing: false,
    rewriteUrl: routes?.urlOf ?? routableUrl,
    // Queries are passed on as they are, and nothing here reads one.
    routerOptions: { querystringParser: () => NO_QUERY },
    exposeHeadRoutes: false,
  })
  // Fields are counted by the proxy itself.
  server.maxHeadersCount = 0
  giveBackConnections(server)
  app.decorate('balancer', pool.balancer)
  app.setErrorHandler(sendError)
  if (routes) {
    const { proxied, redirects } = sorted(config.routes ?? [], pools)
    await addProxiedScopes(app, proxied, routes, services)
    await addRedirectScopes(app, redirects, routes, services, unproxied, trust)
  } else {
    await proxyToPool(app, pool)
  }
  // This handler gets requests that no route takes, and methods that are never proxied.
  app.setNotFoundHandler((request, reply) => {
    unproxied.watch(request, reply, routes && [services.meter.of(NO_ROUTE).observe])
    if (routes) throw unroutedError(request)
    return notFound(request)
  })
  routeUpgrades(app, { prefix: '', foreign: [] })
  await app.ready()
  return {
    server,
    rejected: unproxied.rejected,
    close: () => app.close(),
  }
}

/** The routes that lead to pools, and those that lead elsewhere. */
function sorted(
  configs: readonly RouteConfig[],
  pools: ReadonlyMap<string, Pool>,
): { proxied: ProxiedRoute[]; redirects: RedirectRoute[] } {
  const poolOf = (name: string): Pool => {
    const pool = pools.get(name)
    if (!pool) throw new Error(`there is no pool "${name}"`)
    return pool
  }
  const proxied: ProxiedRoute[] = []
  const redirects: RedirectRoute[] = []
  const foreignFieldsOf = foreignIdentityFields(configs)
  for (const [index, config] of configs.entries()) {
    const { redirect } = config
    if (redirect) {
      redirects.push({ index, config, redirect })
      continue
    }
    const [first, ...others] = config.pools.map(({ pool, weight }) => ({ target: poolOf(pool), weight }))
    if (!first) throw new Error(`the route "${config.name}" leads to no pool`)
    const mirror = config.mirror && poolOf(config.mirror.pool)
    const removed = foreignFieldsOf(config)
    proxied.push({ index, config, pool: first.target, pools: [first, ...others], mirror, removed })
  }
  return { proxied, redirects }
}

/** Why no route takes a request. */
function unroutedError({ url, method, raw }: FastifyRequest): FastifyError {
  if (url === UNROUTED.badTarget)
    return new InvalidRequestError('the request target must be a path, or a URL of http or https')
  if (url === UNROUTED.badPath) return new AmbiguousPathError()
  if (url === UNROUTED.tooManyFields) return new TooManyFieldsError()
  return new NoRouteError(method, targetOf(raw)?.path.split('?', 1)[0])
}

/**
 * Passes connections that come back, because an upgrade on them was declined, to the server that has accepted them: it
 * has the timeouts, and may have another app by now.
 */
function giveBackConnections(server: Server): void {
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket & { server?: FastifyInstance['server'] }) =>
    socket.server?.emit('connection', socket),
  )
}
