import type { GatewayControl } from '../../admin/gateway-control.js'
import { systemClock } from '../../balancer/time/clock.js'
import { configView, withWritten } from '../../config/file/config-view.js'
import type { RouteConfig } from '../../config/file/gateway-config.js'
import type { ControlServices } from '../control-services.js'
import type { GatewayPools } from '../pools.js'
import type { Reloads } from '../reload/reloads.js'
import { RequestExplainer } from './request-explainer.js'
import { routeViewOf } from './route-view.js'

/** What the admin API reads and changes of a gateway besides its pools. */
export function gatewayControl(
  reloads: Reloads,
  pools: GatewayPools,
  { keySets, counts, meter }: ControlServices,
): GatewayControl {
  const explainer = new RequestExplainer({
    config: () => reloads.config,
    pool: (name) => pools.get(name),
    keySets,
    counts,
    clock: systemClock,
  })
  /** A route as it is shown, in which nothing is from the environment. */
  const viewOf = (route: RouteConfig, index: number) => {
    const { routes } = reloads.document as { routes?: Partial<RouteConfig>[] }
    const written = routes?.[index]
    const match = withWritten(route.match, written?.match) as RouteConfig['match']
    const redirect = withWritten(route.redirect, written?.redirect) as RouteConfig['redirect']
    return routeViewOf({ ...route, match, redirect }, meter.of(route.name))
  }
  return {
    config: () => configView(reloads.config, reloads.document),
    reload: () => reloads.reload(),
    onReload: (listener) => reloads.onReload(listener),
    *routes() {
      for (const [index, route] of (reloads.config.routes ?? []).entries()) yield viewOf(route, index)
    },
    route(name) {
      const { routes = [] } = reloads.config
      const index = routes.findIndex((route) => route.name === name)
      const route = routes[index]
      return route && viewOf(route, index)
    },
    explain: (inquiry) => explainer.explain(inquiry),
  }
}
