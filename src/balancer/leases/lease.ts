import type { Backend } from '../backends/backend.js'
import { ObserverGuard, warn } from '../observer-guard.js'
import { LinkedList } from '../structures/linked-list.js'

/**
 * How the backend's part in a request ended. `failed`: a gateway failure, the backend's own doing (a status
 * that counts as one, refused, reset, silent). `cancelled`: somebody else ended it, the backend is not to blame.
 * `doubtful`: the backend broke it off, and may have had its reasons with this client.
 */
export type Outcome = 'ok' | 'failed' | 'cancelled' | 'doubtful'

/** Why a backend did not answer a request, or not to the end. */
export interface Cause {
  /** Code of the error, like `ECONNRESET`. */
  code: string
  /** What the error says, in one line. */
  text: string
}

/**
 * What a backend answered. `failed`: a gateway failure. `refused`: it says that it will not, or cannot, do what the
 * request asks for, as a status from 400 on does, and may have every reason to.
 */
export type AnswerKind = 'ok' | 'refused' | 'failed'

/**
 * Whether a connection is a tunnel, and what passes through it. `moving`: something has since that was looked at, and
 * `resting`: nothing has, but before that. Only a `quiet` one weighs less than a request.
 */
type TunnelState = 'none' | 'moving' | 'resting' | 'quiet'

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
  /** It is the backend's first, second, ... since that was registered. */
  readonly ordinal: number
  /**
   * Set by whoever puts the backend to work on this lease: stops that work and releases the lease. While it
   * is unset there is no work to stop.
   */
  onCut: ((reason: Error) => void) | undefined
  /** Set before the release by whoever knows why the request failed. */
  cause: Cause | undefined = undefined
  /** @internal where {@link Decisions} noted the choice */
  place = 0

  #held = true
  #answered = false
  #well = false
  #awaitedSince: number | undefined
  #dispatchedAt: number
  #isPrepared = false
  #tunnel: TunnelState = 'none'
  readonly #book: LeaseBook
  /** @internal links of {@link LeaseBook}; the published type has none, and so does not implement `ListNode` */
  previous: Lease | undefined
  /** @internal */
  next: Lease | undefined

  /** @internal use `backend.leases.open()` */
  constructor(backend: Backend, book: LeaseBook, now: number, inFlight: number, ordinal: number) {
    this.backend = backend
    this.#book = book
    this.acquiredAt = now
    this.#awaitedSince = now
    this.#dispatchedAt = now
    this.inFlight = inFlight
    this.ordinal = ordinal
  }

  get held(): boolean {
    return this.#held
  }

  /** The backend has answered, and well; so it did, even if somebody ends the request before its last byte. */
  get answeredWell(): boolean {
    return this.#well
  }

  /**
   * Since when the backend's answer is waited for, in monotonic milliseconds: since the lease, or since the
   * backend had the whole request. Undefined before it is asked, while the client still sends, and once the answer
   * has begun.
   */
  get awaitedSince(): number | undefined {
    return this.#awaitedSince
  }

  /** When the backend was asked, in monotonic milliseconds; undefined where that is yet to come. */
  get dispatchedAt(): number | undefined {
    return this.#isPrepared ? undefined : this.#dispatchedAt
  }

  /** @internal */
  get isPrepared(): boolean {
    return this.#isPrepared
  }

  /** The backend is not asked yet: hooks of an app come first, say, whose time is not the backend's. */
  prepare(): void {
    if (this.#isPrepared || this.#answered || !this.#held) return
    const from = this.#book.listOf(this)
    this.#isPrepared = true
    this.#awaitedSince = undefined
    this.#book.shift(this, from)
  }

  /** The backend is asked from now on: to connect, where there is no connection. */
  dispatched(now: number): void {
    if (!this.#held || this.#answered) return
    this.#dispatchedAt = now
    this.#await(now)
  }

  /** There is a connection, and the request is sent on it from now on. */
  sent(now: number): void {
    if (this.#held && this.#awaitedSince !== undefined) this.#await(now)
  }

  /** The client has yet to send the request's body. How long that takes is not the backend's doing. */
  uploading(): void {
    if (this.#awaitedSince === undefined) return
    const from = this.#book.listOf(this)
    this.#awaitedSince = undefined
    if (this.#held) this.#book.shift(this, from)
  }

  /** The backend has the whole request now. To be called after {@link uploading}, and before an answer. */
  uploaded(now: number): void {
    if (this.#awaitedSince === undefined && !this.#answered && this.#held) this.#await(now)
  }

  /** Notes the backend's first response byte. Anything but a gateway failure is an answer that is well. */
  answered(now: number, kind: AnswerKind = 'ok'): void {
    if (this.#answered) return
    this.#answered = true
    const well = kind !== 'failed'
    const since = this.#awaitedSince
    if (since !== undefined) {
      const { latency, responseTime } = this.backend
      latency.add(now - since, now)
      // One that fails fast is not fast.
      if (well) responseTime.add(now - since, now)
      else responseTime.atLeast(now - since, now)
      const from = this.#book.listOf(this)
      this.#awaitedSince = undefined
      if (this.#held) this.#book.shift(this, from)
    }
    if (!this.#held || !well) return
    this.#well = true
    this.#book.onAnswered?.(this, kind === 'refused', now)
  }

  /** The answer was a switch of protocols: from now on the connection is a tunnel, without traffic so far. */
  switched(): void {
    if (!this.#held || this.#tunnel !== 'none') return
    this.#tunnel = 'quiet'
    this.#book.tunnelChanged(1, 1)
  }

  /** Something passes through the tunnel. */
  moved(): void {
    const { tunnel } = this
    if (tunnel === 'none') return
    this.#tunnel = 'moving'
    if (tunnel !== 'quiet' || !this.#held) return
    this.#book.tunnelChanged(0, -1)
    this.#book.onTunnelBusy?.(this)
  }

  /** @internal Marks a tunnel as quiet where nothing has passed since the last call. Returns whether it is quiet, or over. */
  rest(): boolean {
    if (this.#tunnel === 'quiet' || !this.#held) return true
    if (this.#tunnel === 'moving') {
      this.#tunnel = 'resting'
      return false
    }
    this.#tunnel = 'quiet'
    this.#book.tunnelChanged(0, 1)
    return true
  }

  /** @internal */
  get tunnel(): TunnelState {
    return this.#tunnel
  }

  /** The backend is done with the request. Returns false where the lease had been released before. */
  release(outcome: Outcome): boolean {
    if (!this.#held) return false
    this.#held = false
    this.onCut = undefined
    this.#book.close(this, outcome)
    return true
  }

  /** Ends the request now: stops the backend's work on it, or releases a lease nothing was done with. */
  cut(reason: Error): void {
    if (!this.#held) return
    try {
      this.onCut?.(reason)
    } catch (error) {
      this.release('cancelled')
      throw error
    }
    if (!this.onCut) this.release('cancelled')
  }

  #await(now: number): void {
    const from = this.#book.listOf(this)
    this.#isPrepared = false
    this.#awaitedSince = now
    this.#book.shift(this, from)
  }
}

/**
 * The leases held on one backend. `inFlight` goes up where a lease joins the list and down
 * where it leaves, and nowhere else, which is why it cannot drift from the truth.
 */
export class LeaseBook {
  /** Called after each change of `inFlight` or `load`. */
  onChange: (() => void) | undefined
  /** Called when a tunnel that was quiet has traffic. */
  onTunnelBusy: ((lease: Lease) => void) | undefined
  /** What a quiet tunnel counts in `load`, in percent of a request. */
  tunnelWeight = 100
  /** Called when a request begins to be answered well. */
  onAnswered: ((lease: Lease, isRefusal: boolean, now: number) => void) | undefined
  /** Called when a lease was released, before `onChange`. */
  onReleased: ((lease: Lease, outcome: Outcome) => void) | undefined

  #inFlight = 0
  #tunnels = 0
  /** Tunnels without traffic, and how much less than in flight the load is on their account. */
  #quiet = 0
  #lighter = 0
  #total = 0
  readonly #ended: Record<Outcome, number> = { ok: 0, failed: 0, cancelled: 0, doubtful: 0 }
  /** Leases whose backend has yet to be asked. */
  readonly #prepared = new LinkedList<Lease>()
  /** Those whose answer is waited for, the longest first. */
  readonly #awaited = new LinkedList<Lease>()
  /** Those that are being answered, or whose client still sends. */
  readonly #others = new LinkedList<Lease>()

  get inFlight(): number {
    return this.#inFlight
  }

  /** Those of them whose connection is a tunnel now. */
  get tunnels(): number {
    return this.#tunnels
  }

  /** Those in flight, where tunnels without traffic count as so many whole requests as their weight comes to. */
  get load(): number {
    return this.#inFlight - this.#lighter
  }

  /** Leases opened so far. */
  get total(): number {
    return this.#total
  }

  /** Leases that ended as `failed` so far. */
  get failed(): number {
    return this.#ended.failed
  }

  /** Leases that ended so far, by how. */
  get ended(): Readonly<Record<Outcome, number>> {
    return this.#ended
  }

  /**
   * Since when the answer is waited for that is waited for longest, in monotonic milliseconds: infinite where the
   * backend is yet to be asked, and undefined where no answer is expected.
   */
  get awaitedSince(): number | undefined {
    const { first } = this.#awaited
    if (first) return first.awaitedSince
    return this.#prepared.first && Number.POSITIVE_INFINITY
  }

  open(backend: Backend, now: number): Lease {
    this.#total++
    const lease = new Lease(backend, this, now, ++this.#inFlight, this.#total)
    this.#awaited.append(lease)
    this.onChange?.()
    return lease
  }

  /** @internal A lease has left one list for another, and stands last there. */
  shift(lease: Lease, from: LinkedList<Lease>): void {
    const to = this.listOf(lease)
    if (from === to && to.last === lease) return
    from.remove(lease)
    to.append(lease)
  }

  /** @internal use `lease.release()` */
  close(lease: Lease, outcome: Outcome): void {
    this.listOf(lease).remove(lease)
    this.#inFlight--
    if (lease.tunnel !== 'none') this.#countTunnels(-1, lease.tunnel === 'quiet' ? -1 : 0)
    this.#ended[outcome]++
    this.onReleased?.(lease, outcome)
    this.onChange?.()
  }

  /** @internal So many tunnels more, and so many more of them without traffic. */
  tunnelChanged(tunnels: number, quiet: number): void {
    this.#countTunnels(tunnels, quiet)
    this.onChange?.()
  }

  #countTunnels(tunnels: number, quiet: number): void {
    this.#tunnels += tunnels
    this.#quiet += quiet
    this.#lighter = this.#quiet - Math.floor((this.#quiet * this.tunnelWeight) / 100)
  }

  /** Cuts every lease that is held now. Returns how many. */
  cutAll(reason: Error, onlookers = new ObserverGuard(warn)): number {
    const held: Lease[] = []
    for (const list of [this.#prepared, this.#awaited, this.#others]) {
      for (let lease = list.first; lease; lease = lease.next) held.push(lease)
    }
    for (const lease of held) onlookers.call(() => lease.cut(reason))
    return held.length
  }

  /** @internal The list that a lease stands in, by what is known of it. */
  listOf({ awaitedSince, isPrepared }: Lease): LinkedList<Lease> {
    if (awaitedSince !== undefined) return this.#awaited
    return isPrepared ? this.#prepared : this.#others
  }
}
