import type { Backend } from '../../balancer/backends/backend.js'
import type { Balancer } from '../../balancer/balancer.js'
import type { Lease } from '../../balancer/leases/lease.js'
import type { Wait } from '../../balancer/resilience/hedging.js'
import type { ProxyContext } from '../context.js'
import type { AttemptState } from './attempt-listener.js'
import { SupersededError } from './failures/failures.js'

/** Methods for which a second backend may be asked while the first has not responded yet. */
const HEDGED = new Set(['GET', 'HEAD'])

/** The hedge of one request: a second attempt on another backend while the first takes long. */
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
   * Waits for the time of the hedge; undefined where the request has none.
   * @param send sends it, where that is possible; returns whether it was
   */
  static expect(balancer: Balancer, context: ProxyContext, send: () => boolean): Hedge | undefined {
    const { method, body, upgrade } = context
    if (!HEDGED.has(method) || body || upgrade) return undefined
    const wait = balancer.hedging.expect(send)
    return wait && new Hedge(balancer, context, wait)
  }

  /** A lease on another backend, where no other request has to wait for that; undefined where there is none. */
  takeLease(failed: ReadonlySet<Backend>, first: AttemptState): Lease | undefined {
    const except = new Set([...failed, first.backend])
    const lease = this.#balancer.leaseForHedge(except, this.#context.requestId)
    if (!lease) return undefined
    this.#lease = lease
    this.#context.hedge = lease
    this.#context.attempts++
    return lease
  }

  /** An attempt has a response. */
  onResponse({ lease }: AttemptState): void {
    this.#wait.answered()
    if (lease === this.#lease) this.#balancer.hedging.wins()
  }

  /** Drops an attempt, as the other one has a response. */
  drop(late: AttemptState, first: AttemptState): void {
    if (late.lease.acquiredAt < first.lease.acquiredAt) this.#balancer.lostToHedge(late.lease)
    late.lease.cut(new SupersededError())
  }

  /** No hedge is needed any more. */
  cancel(): void {
    this.#wait.cancel()
  }
}
