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
import { type RequestObserver, recordOf } from '../../telemetry/record.js'

/**
 * Counts and logs whatever arrives at the traffic listener and never becomes a proxied request: bytes that are not
 * HTTP, requests that the router refuses, methods that are never proxied.
 */
export class UnproxiedRequests {
  readonly #pool: Balancer
  readonly #trust: Trust
  readonly #isOfPool: boolean
  readonly #logRejection: ((rejection: EarlyRejection) => void) | undefined

  /**
   * @param pool the only pool, or one of several
   * @param isOfPool whether the pool counts these requests, because every request goes to it
   * @param log undefined where nothing is logged
   */
  constructor(
    pool: Balancer,
    { isOfPool, trust, log }: { isOfPool: boolean; trust: Trust; log: FastifyBaseLogger | undefined },
  ) {
    this.#pool = pool
    this.#isOfPool = isOfPool
    this.#trust = trust
    this.#logRejection = log && logRejections(log, trust)
  }

  /** The observer of rejections of requests, or of other bytes, that no route ever saw. */
  readonly rejected = (rejection: EarlyRejection): void => {
    const pool = this.#pool
    pool.observerGuard.call(() => this.#counters?.rejected(rejection))
    if (this.#logRejection) pool.observerGuard.call(() => this.#logRejection?.(rejection))
  }

  /** Records a request that is answered here, once it is over. @param more observers besides those of all requests */
  watch(request: FastifyRequest, reply: FastifyReply, more: readonly RequestObserver[] = []): void {
    const pool = this.#pool
    const trust = this.#trust
    const counters = this.#counters
    const observers = [
      ...(counters ? [counters.observe] : []),
      ...(this.#logRejection ? [logRequest] : []),
      ...more,
    ]
    // The peer is read now, because Node removes the socket from a request whose connection was closed.
    const peer = peerOf(request.raw.socket)
    onFinished(request.raw, reply.raw, () => {
      const addresses = addressesOf(receivedUnrouted(request.raw, peer, trust), trust)
      const policy = this.#isOfPool ? pool.policy : null
      const record = recordOf(request, reply, { clock: pool.clock, policy }, addresses)
      tellObservers(observers, record, request, reply, pool.observerGuard)
    })
  }

  get #counters() {
    return this.#isOfPool ? countersOf(this.#pool) : undefined
  }
}
