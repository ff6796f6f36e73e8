import { KeySetReplica } from '../../auth/keys/key-set-replica.js'
import { systemClock } from '../../balancer/time/clock.js'
import type { GatewayConfig } from '../../config/file/gateway-config.js'
import type { RateCount, RateLimitCounter } from '../../limits/rate-limit-counter.js'
import { RouteMeter } from '../../telemetry/metrics/route-meter.js'
import type { Channel } from '../../threads/channel.js'
import { countedRoutes, type RouteServices } from '../traffic/route-services.js'
import type { ToControl, ToWorker } from './protocol.js'

/** Time that the control plane gets to answer; a request does not wait for a count as long as that. */
const ANSWER_TIMEOUT_MS = 10_000
/** Interval in which the counts of routes are told. */
const COUNTS_INTERVAL_MS = 1000

/** What the routes of a worker use. Keys and the counts for rate limits are those of the control plane. */
export class WorkerServices implements RouteServices {
  readonly keySets: KeySetReplica
  readonly counter: RateLimitCounter
  readonly meter = new RouteMeter()
  readonly #channel: () => Channel<ToWorker, ToControl>
  #cancel = () => {}

  /** @param channel returns the channel to the control plane, which is there by the time that requests come */
  constructor(channel: () => Channel<ToWorker, ToControl>) {
    this.#channel = channel
    const options = { timeout: ANSWER_TIMEOUT_MS }
    this.keySets = new KeySetReplica({
      get: (url) => channel().ask('keySet', url, options),
      refresh: (url, revision) => channel().ask('refreshedKeySet', { url, revision }, options),
    })
    this.counter = {
      increment: (key, window, max): Promise<RateCount> =>
        channel().ask('count', { key, window, max }, options),
    }
  }

  /** Takes over the routes of the configuration that is in force now. */
  follow({ routes = [] }: Pick<GatewayConfig, 'routes'>): void {
    const deltas = this.meter.take()
    if (deltas.length > 0) this.#channel().tell('routeCounts', deltas)
    this.meter.keep(countedRoutes(routes))
    this.#cancel()
    if (routes.length > 0) this.#cancel = systemClock.after(COUNTS_INTERVAL_MS, () => this.follow({ routes }))
  }

  close(): void {
    this.#cancel()
  }
}
