import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { Balancer } from '../balancer/balancer.js'
import type { EarlyRejection } from '../proxy/downstream/connection/early-rejection.js'
import { onFinished } from '../proxy/downstream/connection/pipeline.js'
import { addressesOf } from '../proxy/downstream/fields/client-origin.js'
import { receivedUnrouted } from '../proxy/downstream/fields/untrusted-fields.js'
import { peerOf } from '../proxy/http/peer.js'
import type { Trust } from '../proxy/http/trust.js'
import { logRejections, logRequest } from '../telemetry/access-log.js'
import { countersOf } from '../telemetry/metrics/meter.js'
import { tellObservers } from '../telemetry/observers.js'
import { recordOf } from '../telemetry/record.js'

/**
 * Counts and logs what comes to the traffic listener and never becomes a proxied request: what is not HTTP, what the
 * router refuses, methods that are never proxied.
 */
export class UnproxiedRequests {
  readonly #pool: () => Balancer
  readonly #trust: Trust
  readonly #logRejection: ((rejection: EarlyRejection) => void) | undefined

  /**
   * @param pool whose counters they are added to; called once requests come
   * @param log undefined where nothing is logged
   */
  constructor(pool: () => Balancer, trust: Trust, log: FastifyBaseLogger | undefined) {
    this.#pool = pool
    this.#trust = trust
    this.#logRejection = log && logRejections(log, trust)
  }

  /** To be called with each rejection of what no route ever saw. */
  readonly rejected = (rejection: EarlyRejection): void => {
    const pool = this.#pool()
    pool.observerGuard.call(() => countersOf(pool)?.rejected(rejection))
    if (this.#logRejection) pool.observerGuard.call(() => this.#logRejection?.(rejection))
  }

  /** Records a request that Fastify answers itself, once it is over. */
  watch(request: FastifyRequest, reply: FastifyReply): void {
    const pool = this.#pool()
    const trust = this.#trust
    const counters = countersOf(pool)
    const observers = [...(counters ? [counters.observe] : []), ...(this.#logRejection ? [logRequest] : [])]
    // The socket is taken off a request whose connection was closed.
    const peer = peerOf(request.raw.socket)
    onFinished(request.raw, reply.raw, () => {
      const addresses = addressesOf(receivedUnrouted(request.raw, peer, trust), trust)
      tellObservers(observers, recordOf(request, reply, pool, addresses), request, reply, pool.observerGuard)
    })
  }
}
