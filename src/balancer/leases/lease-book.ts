import { ObserverGuard, warn } from '../observer-guard.js'
import { LinkedList, type ListNode } from '../structures/linked-list.js'
import type { LoadCounter } from './load-counter.js'
import type { Outcome } from './outcome.js'

/**
 * The phase of a request. `prepared`: its backend is yet to be asked. `awaited`: the backend was asked, and its answer
 * is awaited. `transferring`: the answer is arriving, or the client is still sending its request.
 */
export type LeasePhase = 'prepared' | 'awaited' | 'transferring'

/** The part of a lease that a lease book uses. */
export interface BookedLease extends ListNode<BookedLease> {
  /** The phase of the request. While the lease is held, only the book changes it. */
  phase: LeasePhase
  /** Monotonic milliseconds at which the wait for the backend's answer began; undefined in the other phases. */
  readonly awaitedSince: number | undefined
  cut(reason: Error): void
}

/**
 * The leases held on one backend. A count goes up only where a lease enters the book and down only where it leaves, so
 * that the counts cannot drift from the number of leases.
 */
export class LeaseBook {
  readonly #counter: LoadCounter
  #opened = 0
  #held = 0
  readonly #prepared = new LinkedList<BookedLease>()
  /** Leases whose answer is awaited; the one that has waited longest comes first. */
  readonly #awaited = new LinkedList<BookedLease>()
  readonly #transferring = new LinkedList<BookedLease>()

  constructor(counter: LoadCounter) {
    this.#counter = counter
  }

  /** Number of leases whose connection is a tunnel now. */
  get tunnels(): number {
    return this.#counter.tunnels
  }

  /** Number of leases opened so far, by all threads that share the pool. */
  get total(): number {
    return this.#counter.total
  }

  /** Number of leases opened so far by this thread. */
  get opened(): number {
    return this.#opened
  }

  /** Number of leases that this thread holds now. */
  get held(): number {
    return this.#held
  }

  /** Number of leases that ended as `failed` so far. */
  get failed(): number {
    return this.#counter.ended.failed
  }

  /** Number of leases that ended so far, by outcome. */
  get ended(): Readonly<Record<Outcome, number>> {
    return this.#counter.ended
  }

  /**
   * Monotonic milliseconds at which the longest of the present waits for an answer began; Infinity where all requests
   * that expect an answer are yet to be sent to the backend; undefined where no answer is expected.
   */
  get awaitedSince(): number | undefined {
    const { waits } = this.#counter
    return waits ? waits.longest() : this.#ownAwaitedSince
  }

  /** @internal Adds a new lease, whose request was counted already. */
  add(lease: BookedLease): void {
    this.#opened++
    this.#held++
    this.#listOf(lease.phase).append(lease)
    this.#counter.waits?.note(this.#ownAwaitedSince)
  }

  /** @internal Moves a lease to the end of the list of a phase, which may be the phase that it is in already. */
  move(lease: BookedLease, phase: LeasePhase): void {
    const from = this.#listOf(lease.phase)
    const to = this.#listOf(phase)
    lease.phase = phase
    if (from !== to || to.last !== lease) {
      from.remove(lease)
      to.append(lease)
    }
    this.#counter.waits?.note(this.#ownAwaitedSince)
  }

  /** @internal Takes out a lease that is released. */
  remove(lease: BookedLease, outcome: Outcome): void {
    this.#listOf(lease.phase).remove(lease)
    this.#held--
    this.#counter.waits?.note(this.#ownAwaitedSince)
    this.#counter.end(outcome)
  }

  /** @internal Changes the number of tunnels, and the number of those without traffic, by these amounts. */
  addTunnels(tunnels: number, quiet: number): void {
    this.#counter.addTunnels(tunnels, quiet)
  }

  /**
   * Cuts every lease that is held now. Returns the number of leases.
   * @param observerGuard receives what a listener of a cut throws
   */
  cutAll(reason: Error, observerGuard = new ObserverGuard(warn)): number {
    const held: BookedLease[] = []
    for (const list of [this.#prepared, this.#awaited, this.#transferring]) {
      for (let lease = list.first; lease; lease = lease.next) held.push(lease)
    }
    for (const lease of held) observerGuard.call(() => lease.cut(reason))
    return held.length
  }

  /** The longest wait of this thread. */
  get #ownAwaitedSince(): number | undefined {
    const { first } = this.#awaited
    if (first) return first.awaitedSince
    return this.#prepared.first && Number.POSITIVE_INFINITY
  }

  #listOf(phase: LeasePhase): LinkedList<BookedLease> {
    if (phase === 'awaited') return this.#awaited
    return phase === 'prepared' ? this.#prepared : this.#transferring
  }
}
