import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { Balancer } from '../../balancer/balancer.js'
import type { EarlyRejection } from '../../proxy/downstream/connection/early-rejection.js'
import { onFinished } from '../../proxy/downstream/connection/pipeline.js'
import { addressesOf } from '../../proxy/downstream/fields/client-origin.js'
import { receivedUnrouted } from '../../proxy/downstream/fields/untrusted-fields.js'
import { peerOf } from '../../proxy/http/peer.js'
import type { Trust } from '../../proxy/http/trust.js'
import { logRejections, logRequest } from '../../telemetry/access-log.js'
import { countersOf } from '../../telemetry/metrics/meter.js'
import { tellObservers } from '../../telemetry/observers.js'
import { recordOf } from '../../telemetry/record.js'

/**
 * Counts and logs whatever arrives at the traffic listener and never becomes a proxied request: bytes that are not
 * HTTP, requests that the router refuses, methods that are never proxied.
 */
export class UnproxiedRequests {
  readonly #pool: Balancer
  readonly #trust: Trust
  readonly #logRejection: ((rejection: EarlyRejection) => void) | undefined

  /**
   * @param pool the pool whose counters are used
   * @param log undefined where nothing is logged
   */
  constructor(pool: Balancer, trust: Trust, log: FastifyBaseLogger | undefined) {
    this.#pool = pool
    this.#trust = trust
    this.#logRejection = log && logRejections(log, trust)
  }

  /** The observer of rejections of requests, or of other bytes, that no route ever saw. */
  readonly rejected = (rejection: EarlyRejection): void => {
    const pool = this.#pool
    pool.observerGuard.call(() => countersOf(pool)?.rejected(rejection))
    if (this.#logRejection) pool.observerGuard.call(() => this.#logRejection?.(rejection))
  }

  /** Records a request that Fastify answers itself, once it is over. */
  watch(request: FastifyRequest, reply: FastifyReply): void {
    const pool = this.#pool
    const trust = this.#trust
    const counters = countersOf(pool)
    const observers = [...(counters ? [counters.observe] : []), ...(this.#logRejection ? [logRequest] : [])]
    // The peer is read now, because Node removes the socket from a request whose connection was closed.
    const peer = peerOf(request.raw.socket)
    onFinished(request.raw, reply.raw, () => {
      const addresses = addressesOf(receivedUnrouted(request.raw, peer, trust), trust)
      tellObservers(observers, recordOf(request, reply, pool, addresses), request, reply, pool.observerGuard)
    })
  }
}
