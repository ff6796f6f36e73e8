import type { FastifyInstance } from 'fastify'
import { accessListPlugin } from '../../../plugins/access-list.js'
import { authPlugin } from '../../../plugins/auth.js'
import { corsPlugin } from '../../../plugins/cors.js'
import { rateLimitPlugin } from '../../../plugins/rate-limit.js'
import type { RouteConfig } from '../../config/file/gateway-config.js'
import { type AccessList, accessListOf } from '../../proxy/http/access-list.js'
import { type Route, routeOf } from '../../proxy/http/route.js'
import type { Trust } from '../../proxy/http/trust.js'
import type { RouteServices } from './route-services.js'

/** A route with the lists of clients that may use it. */
export interface GuardedRoute extends Route {
  readonly access: AccessList | undefined
}

/** Makes the lists of clients of a route; undefined where any client may use it. */
export function accessOf(config: RouteConfig): AccessList | undefined {
  return accessListOf(config)
}

/** What routes must have in common to share a scope with its plugins, as text. */
export function pluginsKey({ allow, deny, auth, rateLimit, cors }: RouteConfig): string {
  const isGuarded = allow !== undefined || deny.length > 0
  return JSON.stringify([isGuarded, auth, rateLimit, cors])
}

/**
 * Adds the plugins of a route to its scope, in the order in which they see a request: nobody learns from a route that they
 * may not use whether their password is right, and a flood of wrong passwords is limited.
 * @param trust which proxies are trusted to say where a request came from
 */
export async function addPlugins(
  scope: FastifyInstance,
  { allow, deny, auth, rateLimit, cors }: RouteConfig,
  { keySets, counter, meter }: RouteServices,
  trust: Trust,
): Promise<void> {
  if (allow !== undefined || deny.length > 0) {
    const listFor = ({ raw }: { raw: Parameters<typeof routeOf>[0] }) =>
      (routeOf(raw) as GuardedRoute | undefined)?.access
    await scope.register(accessListPlugin, { trust, listFor })
  }
  if (cors) await scope.register(corsPlugin, { cors })
  if (rateLimit) {
    const onUncounted = (route: string) => meter.countUncounted(route)
    await scope.register(rateLimitPlugin, { limit: rateLimit, counter, trust, onUncounted })
  }
  if (auth) await scope.register(authPlugin, { auth, keySets })
}
