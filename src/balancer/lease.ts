import type { Backend } from './backend.js'
import { Chain, type Link } from './chain.js'

/**
 * How the backend's part in a request ended. `failed`: a gateway failure, the backend's own doing (500, 502,
 * 503, 504, refused, reset, silent). `cancelled`: somebody else ended it, the backend is not to blame.
 * `doubtful`: the backend broke it off, and may have had its reasons with this client.
 */
export type Outcome = 'ok' | 'failed' | 'cancelled' | 'doubtful'

/**
 * One request's hold on one backend. It adds one to the backend's `inFlight` and takes it off exactly once,
 * whoever calls {@link release} first and however often it is called.
 */
export class Lease implements Link<Lease> {
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

  #held = true
  #well = false
  readonly #book: LeaseBook
  /** @internal links of {@link LeaseBook} */
  previous: Lease | undefined
  /** @internal */
  next: Lease | undefined

  /** @internal use `backend.leases.open()` */
  constructor(backend: Backend, book: LeaseBook, now: number, inFlight: number, ordinal: number) {
    this.backend = backend
    this.#book = book
    this.acquiredAt = now
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

  /** Notes the backend's first response byte. @param well whether it is anything but a gateway failure */
  answered(now: number, well = true): void {
    this.backend.latency.add(now - this.acquiredAt, now)
    if (!this.#held || !well) return
    this.#well = true
    this.#book.onAnswered?.(this)
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
    if (this.onCut) this.onCut(reason)
    else this.release('cancelled')
  }
}

/**
 * The leases held on one backend, oldest first. `inFlight` goes up where a lease joins the list and down
 * where it leaves, and nowhere else, which is why it cannot drift from the truth.
 */
export class LeaseBook {
  /** Called after each change of `inFlight`. */
  onChange: (() => void) | undefined
  /** Called when a request begins to be answered well. */
  onAnswered: ((lease: Lease) => void) | undefined
  /** Called when a lease was released, before `onChange`. */
  onReleased: ((lease: Lease, outcome: Outcome) => void) | undefined

  #inFlight = 0
  #total = 0
  #failed = 0
  readonly #held = new Chain<Lease>()

  get inFlight(): number {
    return this.#inFlight
  }

  /** Leases opened so far. */
  get total(): number {
    return this.#total
  }

  /** Leases that ended as `failed` so far. */
  get failed(): number {
    return this.#failed
  }

  open(backend: Backend, now: number): Lease {
    this.#total++
    const lease = new Lease(backend, this, now, ++this.#inFlight, this.#total)
    this.#held.append(lease)
    this.onChange?.()
    return lease
  }

  /** @internal use `lease.release()` */
  close(lease: Lease, outcome: Outcome): void {
    this.#held.remove(lease)
    this.#inFlight--
    if (outcome === 'failed') this.#failed++
    this.onReleased?.(lease, outcome)
    this.onChange?.()
  }

  /** Cuts every lease that is held now. Returns how many. */
  cutAll(reason: Error): number {
    const held: Lease[] = []
    for (let lease = this.#held.first; lease; lease = lease.next) held.push(lease)
    for (const lease of held) lease.cut(reason)
    return held.length
  }
}
