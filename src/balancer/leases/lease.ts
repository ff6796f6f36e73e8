// Over 200 lines: all changes of state of one lease, which depend on each other too closely to be split.
import type { Backend } from '../backends/backend.js'
import type { BookedLease, LeasePhase } from './lease-book.js'
import type { AnswerKind, Cause, Outcome } from './outcome.js'

/** Hears of each change of the leases of a pool, at once and before anybody else. */
export interface LeaseObserver {
  /** A lease was opened, and its backend's `inFlight` is one more. */
  opened(lease: Lease): void
  /**
   * A backend began to answer with anything but a gateway failure.
   * @param isRefusal true if the answer refuses the request, with a status from 400 on
   * @param now monotonic milliseconds
   */
  answered(lease: Lease, isRefusal: boolean, now: number): void
  /** A tunnel that was quiet has traffic again. */
  tunnelBusy(lease: Lease): void
  /** The `load` of a backend changed while its `inFlight` did not. */
  loadChanged(backend: Backend): void
  /** A lease was released, and its backend's `inFlight` is one less. */
  released(lease: Lease, outcome: Outcome): void
}

/**
 * The traffic of a lease's connection, if that is a tunnel. Tunnels are checked at intervals. `none`: the connection is
 * no tunnel. `busy`: something passed since the last check. `ageing`: something passed before the last check, and
 * nothing since. `quiet`: nothing passed between two checks. Only a quiet tunnel counts for less than a request.
 */
type TunnelState = 'none' | 'busy' | 'ageing' | 'quiet'

/**
 * The hold of one request on one backend. A lease adds one to the backend's `inFlight` and takes it off exactly once,
 * whoever calls {@link release} first and however often.
 */
export class Lease {
  readonly backend: Backend
  /** Monotonic milliseconds at which the lease was opened. */
  readonly acquiredAt: number
  /** Requests in flight on the backend when it was chosen, this request included. */
  readonly inFlight: number
  /** Number of this lease among all leases that this thread has opened on the backend, counted from 1. */
  readonly ordinal: number
  /**
   * Stops the backend's work on this request and releases the lease. It is set by the code that puts the backend to
   * work; while it is undefined, there is no work to stop.
   */
  onCut: ((reason: Error) => void) | undefined
  /** The reason for which the request failed; set before the release, by code that knows it. */
  cause: Cause | undefined = undefined
  /** @internal The place of this lease's choice in the decision log. */
  place = 0
  /** @internal The count of the request's key; -1 for none. See `KeyCounts`. */
  keySlot = -1
  /** @internal The phase of the request; the backend's lease book changes it. */
  phase: LeasePhase = 'awaited'
  /**
   * @internal Link of the list in the backend's lease book. The published type omits the links, and so `Lease` does not
   *   declare that it implements `BookedLease`.
   */
  previous: BookedLease | undefined
  /** @internal */
  next: BookedLease | undefined

  readonly #observer: LeaseObserver | undefined
  #isHeld = true
  #isAnswered = false
  #isAnsweredWell = false
  /** Monotonic milliseconds at which the wait for the answer began; meaningful only in the phase `awaited`. */
  #awaitedSince: number
  #dispatchedAt: number
  #tunnel: TunnelState = 'none'

  private constructor(backend: Backend, now: number, inFlight: number, observer: LeaseObserver | undefined) {
    this.backend = backend
    this.#observer = observer
    this.acquiredAt = now
    this.#awaitedSince = now
    this.#dispatchedAt = now
    this.inFlight = inFlight
    this.ordinal = backend.leases.opened + 1
  }

  /**
   * @internal Opens a lease on a backend that was chosen.
   * @param now monotonic milliseconds
   * @param inFlight the backend's requests in flight, with this one, which was counted already
   * @param observer the pool's observer; undefined for a backend without a pool
   */
  static open(backend: Backend, now: number, inFlight: number, observer?: LeaseObserver): Lease {
    const lease = new Lease(backend, now, inFlight, observer)
    backend.leases.add(lease)
    observer?.opened(lease)
    return lease
  }

  get held(): boolean {
    return this.#isHeld
  }

  /**
   * True once the backend has answered with anything but a gateway failure. This stays true even if the request is
   * ended before the last byte of the answer.
   */
  get answeredWell(): boolean {
    return this.#isAnsweredWell
  }

  /**
   * Monotonic milliseconds at which the wait for the backend's answer began: when the lease was taken, the backend was
   * asked, the request was sent, or the backend had the whole request, whichever was last. Undefined before the backend
   * is asked, while the client still sends its request, and once the answer has begun.
   */
  get awaitedSince(): number | undefined {
    return this.phase === 'awaited' ? this.#awaitedSince : undefined
  }

  /** Monotonic milliseconds at which the backend was asked; undefined before that. */
  get dispatchedAt(): number | undefined {
    return this.phase === 'prepared' ? undefined : this.#dispatchedAt
  }

  /**
   * Says that the backend is not asked yet, because hooks of the app run first. Their time is not counted as the
   * backend's.
   */
  prepare(): void {
    if (this.#isHeld && !this.#isAnswered && this.phase !== 'prepared') this.#enter('prepared')
  }

  /** Says that the backend is asked from now on, beginning with any connect. @param now monotonic milliseconds */
  dispatched(now: number): void {
    if (!this.#isHeld || this.#isAnswered) return
    this.#dispatchedAt = now
    this.#await(now)
  }

  /** Says that the request is sent on a connection from now on. @param now monotonic milliseconds */
  sent(now: number): void {
    if (this.#isHeld && this.phase === 'awaited') this.#await(now)
  }

  /** Says that the client has yet to send the request's body. The time that takes is not counted as the backend's. */
  uploading(): void {
    if (this.phase === 'awaited') this.#enter('transferring')
  }

  /**
   * Says that the backend has the whole request now. It is called after {@link uploading}, and before an answer.
   * @param now monotonic milliseconds
   */
  uploaded(now: number): void {
    if (this.#isHeld && !this.#isAnswered && this.phase !== 'awaited') this.#await(now)
  }

  /**
   * Records the first byte of the backend's response. Any answer but a gateway failure counts as answered well.
   * @param now monotonic milliseconds
   */
  answered(now: number, kind: AnswerKind = 'ok'): void {
    if (this.#isAnswered) return
    this.#isAnswered = true
    const isWell = kind !== 'failed'
    if (this.phase === 'awaited') {
      const { latency, responseTime } = this.backend
      const duration = now - this.#awaitedSince
      latency.add(duration, now)
      // A fast failure is no evidence of a fast backend, so it only sets a lower bound.
      if (isWell) responseTime.add(duration, now)
      else responseTime.atLeast(duration, now)
      this.#enter('transferring')
    }
    if (!this.#isHeld || !isWell) return
    this.#isAnsweredWell = true
    this.#observer?.answered(this, kind === 'refused', now)
  }

  /** Says that the answer was a switch of protocols: from now on the connection is a tunnel, without traffic so far. */
  switched(): void {
    if (!this.#isHeld || this.#tunnel !== 'none') return
    this.#tunnel = 'quiet'
    this.#changeTunnels(1, 1)
  }

  /** Says that something passed through the tunnel. */
  moved(): void {
    const before = this.#tunnel
    if (before === 'none') return
    this.#tunnel = 'busy'
    if (before !== 'quiet' || !this.#isHeld) return
    this.#changeTunnels(0, -1)
    this.#observer?.tunnelBusy(this)
  }

  /**
   * @internal Checks a tunnel for traffic: the tunnel becomes quiet if nothing passed between two checks. Returns true
   *   if no further check is needed, because the tunnel is quiet or its lease was released.
   */
  checkTraffic(): boolean {
    if (this.#tunnel === 'quiet' || !this.#isHeld) return true
    if (this.#tunnel === 'busy') {
      this.#tunnel = 'ageing'
      return false
    }
    this.#tunnel = 'quiet'
    this.#changeTunnels(0, 1)
    return true
  }

  /**
   * Releases the lease, because the backend is done with the request. Returns false if the lease was released before.
   */
  release(outcome: Outcome): boolean {
    if (!this.#isHeld) return false
    this.#isHeld = false
    this.onCut = undefined
    const { leases } = this.backend
    leases.remove(this, outcome)
    if (this.#tunnel !== 'none') leases.addTunnels(-1, this.#tunnel === 'quiet' ? -1 : 0)
    this.#observer?.released(this, outcome)
    return true
  }

  /** Ends the request now: stops the backend's work on it, or just releases the lease where no work was begun. */
  cut(reason: Error): void {
    if (!this.#isHeld) return
    try {
      this.onCut?.(reason)
    } catch (error) {
      this.release('cancelled')
      throw error
    }
    if (!this.onCut) this.release('cancelled')
  }

  #await(now: number): void {
    this.#awaitedSince = now
    this.#enter('awaited')
  }

  #enter(phase: LeasePhase): void {
    if (this.#isHeld) this.backend.leases.move(this, phase)
    else this.phase = phase
  }

  #changeTunnels(tunnels: number, quiet: number): void {
    this.backend.leases.addTunnels(tunnels, quiet)
    this.#observer?.loadChanged(this.backend)
  }
}
