import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { RedirectConfig, RouteConfig } from '../../config/file/gateway-config.js'
import { allMethods } from '../../proxy/downstream/host-app/proxied-routes.js'
import { protocolOf } from '../../proxy/downstream/protocol-of.js'
import { REQUEST_ID, requestIdOf } from '../../proxy/downstream/request/request-id.js'
import { targetOf } from '../../proxy/downstream/request/target.js'
import { routeOf } from '../../proxy/http/route.js'
import type { Trust } from '../../proxy/http/trust.js'
import { redirectLocation } from '../../routing/redirect-location.js'
import { grouped } from './grouped.js'
import { endRecursion } from './recursion.js'
import { accessOf, addPlugins, type GuardedRoute, pluginsKey } from './route-plugins.js'
import type { RouteServices } from './route-services.js'
import type { Routes } from './routes.js'
import type { UnproxiedRequests } from './unproxied-requests.js'

/** A route that leads elsewhere. */
export interface RedirectRoute {
  /** Index in the configuration. */
  readonly index: number
  readonly config: RouteConfig
  readonly redirect: RedirectConfig
}

interface RedirectingRoute extends GuardedRoute {
  readonly redirect: RedirectConfig
}

/**
 * Adds scopes for routes that lead elsewhere: one for all routes with the same plugins.
 * @param trust which proxies are trusted to say where a request came from
 */
export async function addRedirectScopes(
  app: FastifyInstance,
  redirects: readonly RedirectRoute[],
  routes: Routes,
  services: RouteServices,
  unproxied: UnproxiedRequests,
  trust: Trust,
): Promise<void> {
  for (const members of grouped(redirects, ({ config }) => pluginsKey(config))) {
    await app.register(async (scope) => {
      scope.addHook('onRequest', (request, reply, done) => {
        const name = routeOf(request.raw)?.name
        unproxied.watch(request, reply, name === undefined ? [] : [services.meter.of(name).observe])
        done(protocolOf(request.raw).framingFault(request.raw))
      })
      endRecursion(scope)
      await addPlugins(scope, members[0].config, services, trust)
      // A body is left unread.
      scope.removeAllContentTypeParsers()
      scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
      const url = routes.newUrl()
      const method = allMethods(scope).filter((one) => one !== 'TRACE')
      scope.route({ method, url, handler: redirect, exposeHeadRoute: false })
      for (const { index, config, redirect } of members) {
        const route: RedirectingRoute = { name: config.name, access: accessOf(config), redirect }
        routes.set(index, route, url)
      }
    })
  }
}

function redirect(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { raw } = request
  const { status, to } = (routeOf(raw) as RedirectingRoute).redirect
  // A body that is not here yet is not waited for.
  protocolOf(raw).stopUpload(reply, false)
  return reply
    .code(status)
    .header('location', redirectLocation(to, targetOf(raw)?.path ?? '/'))
    .header(REQUEST_ID, requestIdOf(request))
    .send()
}
