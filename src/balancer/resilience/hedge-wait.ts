/**
 * The time after which a hedge is sent: a number of milliseconds, the 95th percentile of recent response times (`p95`),
 * or never (`off`).
 */
export type HedgeAfter = number | 'p95' | 'off'

/** Where waits begin and end. */
export interface WaitOwner {
  /** Records the response time of a request that was answered, by whichever attempt. */
  answered(wait: Wait): void
  /** Removes a request that was answered or given up. */
  remove(wait: Wait): void
}

/** One request that waits for its response. */
export class Wait {
  /** Monotonic milliseconds at which the wait began. */
  readonly since: number
  /**
   * @internal Monotonic milliseconds at which the request is late, or is looked at again. With `place` this makes the
   *   class a `DueItem`, which the published type leaves out.
   */
  due: number
  /** @internal Monotonic milliseconds at which the hedge was sent; undefined without a hedge. */
  hedgedAt: number | undefined
  /** @internal */
  readonly sendHedge: () => boolean
  /** @internal The time after which this request is hedged; undefined where the pool's applies. */
  readonly own: HedgeAfter | undefined
  readonly #owner: WaitOwner
  #isWaiting = true
  /** @internal The request's place in the heap of waits; negative while it is not in the heap. */
  place = -1

  /** @internal Call `hedging.expect()` instead. */
  constructor(owner: WaitOwner, since: number, due: number, sendHedge: () => boolean, own?: HedgeAfter) {
    this.#owner = owner
    this.since = since
    this.due = due
    this.sendHedge = sendHedge
    this.own = own
  }

  get isWaiting(): boolean {
    return this.#isWaiting
  }

  /** Records that the request was answered. */
  answered(): void {
    this.cancel()
    this.#owner.answered(this)
  }

  /** Ends the wait, because the request needs no response any more. */
  cancel(): void {
    if (!this.#isWaiting) return
    this.#isWaiting = false
    this.#owner.remove(this)
  }
}
