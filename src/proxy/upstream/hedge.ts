import type { Backend } from '../../balancer/backends/backend.js'
import type { Balancer } from '../../balancer/balancer.js'
import type { Lease } from '../../balancer/leases/lease.js'
import type { HedgeAfter, Wait } from '../../balancer/resilience/hedging.js'
import type { ProxyContext } from '../context.js'
import type { AttemptState } from './attempt-listener.js'
import { SupersededError } from './failures/failures.js'

/** Methods of requests that may be hedged, that is, sent to a second backend while the first has not responded yet. */
const HEDGED = new Set(['GET', 'HEAD'])

/** The hedge of one request: a second attempt on another backend, sent if the first attempt takes long. */
export class Hedge {
  readonly #balancer: Balancer
  readonly #context: ProxyContext
  readonly #wait: Wait
  #lease: Lease | undefined

  private constructor(balancer: Balancer, context: ProxyContext, wait: Wait) {
    this.#balancer = balancer
    this.#context = context
    this.#wait = wait
  }

  /**
   * Starts to wait for the time at which the hedge is sent. Returns undefined if the request is never hedged.
   * @param send sends the hedge if that is possible, and returns whether it was sent
   * @param after the time after which the route hedges; undefined where the pool's applies
   */
  static expect(
    balancer: Balancer,
    context: ProxyContext,
    send: () => boolean,
    after: HedgeAfter | undefined,
  ): Hedge | undefined {
    const { method, body, upgrade } = context
    if (!HEDGED.has(method) || body || upgrade) return undefined
    const wait = balancer.hedging.expect(send, after)
    return wait && new Hedge(balancer, context, wait)
  }

  /**
   * Takes a lease on another backend for the hedge. Returns undefined if there is no such lease, or if another request
   * would have to wait because of it.
   */
  takeLease(failed: ReadonlySet<Backend>, first: AttemptState): Lease | undefined {
    const except = new Set([...failed, first.backend])
    const { requestId, clientKey } = this.#context
    const lease = this.#balancer.leaseForHedge(except, requestId, clientKey)
    if (!lease) return undefined
    this.#lease = lease
    this.#context.hedge = lease
    this.#context.attempts++
    return lease
  }

  /** Notes that an attempt has a response. */
  onResponse({ lease }: AttemptState): void {
    this.#wait.answered()
    if (lease === this.#lease) this.#balancer.hedging.wins()
  }

  /** Drops the attempt `late`, because the attempt `first` has a response. */
  drop(late: AttemptState, first: AttemptState): void {
    if (late.lease.acquiredAt < first.lease.acquiredAt) this.#balancer.lostToHedge(late.lease)
    late.lease.cut(new SupersededError())
  }

  /** Ends the wait, because no hedge is needed any more. */
  cancel(): void {
    this.#wait.cancel()
  }
}
