import type { GatewayControl } from '../../admin/gateway-control.js'
import { systemClock } from '../../balancer/time/clock.js'
import { configView } from '../../config/file/config-view.js'
import type { ControlServices } from '../control-services.js'
import type { GatewayPools } from '../pools.js'
import type { Reloads } from '../reload/reloads.js'
import { RequestExplainer } from './request-explainer.js'
import { routeViewOf } from './route-view.js'

/** What the admin API reads and changes of a gateway besides its pools. */
export function gatewayControl(
  reloads: Reloads,
  pools: GatewayPools,
  { keySets, counter, meter }: ControlServices,
): GatewayControl {
  const explainer = new RequestExplainer({
    config: () => reloads.config,
    pool: (name) => pools.get(name),
    keySets,
    counter,
    clock: systemClock,
  })
  return {
    config: () => configView(reloads.config, reloads.document),
    reload: () => reloads.reload(),
    onReload: (listener) => reloads.onReload(listener),
    *routes() {
      for (const route of reloads.config.routes ?? []) yield routeViewOf(route, meter.of(route.name))
    },
    route(name) {
      const route = reloads.config.routes?.find((one) => one.name === name)
      return route && routeViewOf(route, meter.of(name))
    },
    explain: (inquiry) => explainer.explain(inquiry),
  }
}
