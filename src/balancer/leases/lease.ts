// Over 200 lines: every change that one lease can undergo, which are too closely tied to be told apart.
import type { Backend } from '../backends/backend.js'
import type { BookedLease, LeasePhase } from './lease-book.js'
import type { AnswerKind, Cause, Outcome } from './outcome.js'

/** Is called with each event of the leases of a pool, at once and before all other listeners. */
export interface LeaseObserver {
  /** A request holds a backend from now on, whose `inFlight` is one more. */
  opened(lease: Lease): void
  /** A backend begins to answer well, if only to refuse. @param now monotonic milliseconds */
  answered(lease: Lease, isRefusal: boolean, now: number): void
  /** A tunnel that was quiet has traffic. */
  tunnelBusy(lease: Lease): void
  /** The `load` of a backend changed, and its `inFlight` did not. */
  loadChanged(backend: Backend): void
  /** A request is done, and its backend's `inFlight` is one less. */
  released(lease: Lease, outcome: Outcome): void
}

/**
 * Whether a connection is a tunnel, and when something passed through it. `busy`: since the last check. `ageing`: before
 * that check, and not since. `quiet`: not between two checks. Only a `quiet` one weighs less than a request.
 */
type TunnelState = 'none' | 'busy' | 'ageing' | 'quiet'

/**
 * One request's hold on one backend. It adds one to the backend's `inFlight` and takes it off exactly once,
 * whoever calls {@link release} first and however often it is called.
 */
export class Lease {
  readonly backend: Backend
  /** Monotonic milliseconds. */
  readonly acquiredAt: number
  /** The backend's count when it was chosen, this request included. */
  readonly inFlight: number
  /** Number of the lease among all leases of its backend since the backend was registered, counted from 1. */
  readonly ordinal: number
  /**
   * Set by whoever puts the backend to work on this lease: stops that work and releases the lease. While it
   * is unset there is no work to stop.
   */
  onCut: ((reason: Error) => void) | undefined
  /** Set before the release, where it is known why the request failed. */
  cause: Cause | undefined = undefined
  /** @internal where the decision log noted the choice */
  place = 0
  /** @internal changed by the backend's lease book */
  phase: LeasePhase = 'awaited'
  /** @internal links of the backend's lease book; the published type has none, and so does not implement `BookedLease` */
  previous: BookedLease | undefined
  /** @internal */
  next: BookedLease | undefined

  readonly #observer: LeaseObserver | undefined
  #isHeld = true
  #isAnswered = false
  #isAnsweredWell = false
  /** Counts only in the phase `awaited`. */
  #awaitedSince: number
  #dispatchedAt: number
  #tunnel: TunnelState = 'none'

  private constructor(backend: Backend, now: number, observer: LeaseObserver | undefined) {
    this.backend = backend
    this.#observer = observer
    this.acquiredAt = now
    this.#awaitedSince = now
    this.#dispatchedAt = now
    this.inFlight = backend.inFlight + 1
    this.ordinal = backend.leases.total + 1
  }

  /**
   * @internal Opens a lease on a backend that was chosen.
   * @param now monotonic milliseconds
   * @param observer the pool's; there is none where a backend is used without a pool
   */
  static open(backend: Backend, now: number, observer?: LeaseObserver): Lease {
    const lease = new Lease(backend, now, observer)
    backend.leases.add(lease)
    observer?.opened(lease)
    return lease
  }

  get held(): boolean {
    return this.#isHeld
  }

  /** Whether the backend has answered well, even if the request ends before the last byte of the response. */
  get answeredWell(): boolean {
    return this.#isAnsweredWell
  }

  /**
   * Since when the backend's answer is waited for, in monotonic milliseconds: since the lease, or since the
   * backend had the whole request. Undefined before it is asked, while the client still sends, and once the answer
   * has begun.
   */
  get awaitedSince(): number | undefined {
    return this.phase === 'awaited' ? this.#awaitedSince : undefined
  }

  /** When the backend was asked, in monotonic milliseconds; undefined where that is yet to come. */
  get dispatchedAt(): number | undefined {
    return this.phase === 'prepared' ? undefined : this.#dispatchedAt
  }

  /**
   * Notes that the backend is not asked yet, for example while hooks of an app run, whose time does not count for the
   * backend.
   */
  prepare(): void {
    if (this.#isHeld && !this.#isAnswered && this.phase !== 'prepared') this.#enter('prepared')
  }

  /** The backend is asked from now on: to connect, where there is no connection. @param now monotonic milliseconds */
  dispatched(now: number): void {
    if (!this.#isHeld || this.#isAnswered) return
    this.#dispatchedAt = now
    this.#await(now)
  }

  /** There is a connection, and the request is sent on it from now on. @param now monotonic milliseconds */
  sent(now: number): void {
    if (this.#isHeld && this.phase === 'awaited') this.#await(now)
  }

  /** The client has yet to send the request's body. How long that takes is not the backend's doing. */
  uploading(): void {
    if (this.phase === 'awaited') this.#enter('transferring')
  }

  /**
   * The backend has the whole request now. To be called after {@link uploading}, and before an answer.
   * @param now monotonic milliseconds
   */
  uploaded(now: number): void {
    if (this.#isHeld && !this.#isAnswered && this.phase !== 'awaited') this.#await(now)
  }

  /**
   * Notes the backend's first response byte. Anything but a gateway failure is an answer that is well.
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
      // A backend that fails fast is not fast.
      if (isWell) responseTime.add(duration, now)
      else responseTime.atLeast(duration, now)
      this.#enter('transferring')
    }
    if (!this.#isHeld || !isWell) return
    this.#isAnsweredWell = true
    this.#observer?.answered(this, kind === 'refused', now)
  }

  /** The answer was a switch of protocols: from now on the connection is a tunnel, without traffic so far. */
  switched(): void {
    if (!this.#isHeld || this.#tunnel !== 'none') return
    this.#tunnel = 'quiet'
    this.#changeTunnels(1, 1)
  }

  /** Something passes through the tunnel. */
  moved(): void {
    const before = this.#tunnel
    if (before === 'none') return
    this.#tunnel = 'busy'
    if (before !== 'quiet' || !this.#isHeld) return
    this.#changeTunnels(0, -1)
    this.#observer?.tunnelBusy(this)
  }

  /**
   * @internal Checks a tunnel for traffic: it is quiet where nothing has passed since the last check. Returns whether
   * it needs no further check, as it is quiet or over.
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

  /** The backend is done with the request. Returns false where the lease had been released before. */
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

  /** Ends the request now: stops the backend's work on it, or releases a lease nothing was done with. */
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
