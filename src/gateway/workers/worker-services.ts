import type { FastifyBaseLogger } from 'fastify'
import { KeySetReplica } from '../../auth/keys/key-set-replica.js'
import { systemClock } from '../../balancer/time/clock.js'
import type { GatewayConfig } from '../../config/file/gateway-config.js'
import type { PatientCounter } from '../../limits/patient-counter.js'
import { RouteMeter } from '../../telemetry/metrics/route-meter.js'
import type { Channel } from '../../threads/channel.js'
import { loggedCounter, PATIENCE_MS } from '../traffic/logged-counter.js'
import { countedRoutes, type RouteServices } from '../traffic/route-services.js'
import type { ToControl, ToWorker } from './protocol.js'

/** Time that the control plane gets to answer; a request does not wait for a count as long as that. */
const ANSWER_TIMEOUT_MS = 10_000
/** The control plane gives up after its own patience, and needs some time to say so. */
const COUNT_PATIENCE_MS = PATIENCE_MS + 100
/** Interval in which the counts of routes are told. */
const COUNTS_INTERVAL_MS = 1000

/** What the routes of a worker use. Keys and the counts for rate limits are those of the control plane. */
export class WorkerServices implements RouteServices {
  readonly keySets: KeySetReplica
  readonly counter: PatientCounter
  readonly meter = new RouteMeter()
  readonly #channel: () => Channel<ToWorker, ToControl>
  #cancel = () => {}

  /** @param channel returns the channel to the control plane, which is there by the time that requests come */
  constructor(channel: () => Channel<ToWorker, ToControl>, log: FastifyBaseLogger) {
    this.#channel = channel
    const options = { timeout: ANSWER_TIMEOUT_MS }
    this.keySets = new KeySetReplica({
      get: (url) => channel().ask('keySet', url, options),
      refresh: (url, revision) => channel().ask('refreshedKeySet', { url, revision }, options),
    })
    const asked = {
      increment: (key: string, window: number, max: number) =>
        channel().ask('count', { key, window, max }, options),
    }
    this.counter = loggedCounter(asked, log, COUNT_PATIENCE_MS)
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
