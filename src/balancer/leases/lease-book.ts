import { ObserverGuard, warn } from '../observer-guard.js'
import { LinkedList, type ListNode } from '../structures/linked-list.js'
import type { LoadCounter } from './load-counter.js'
import type { Outcome } from './outcome.js'

/**
 * How far a request is. `prepared`: its backend has yet to be asked. `awaited`: the backend's answer is waited for.
 * `transferring`: it is being answered, or its client still sends.
 */
export type LeasePhase = 'prepared' | 'awaited' | 'transferring'

/** The part of a lease that a lease book uses. */
export interface BookedLease extends ListNode<BookedLease> {
  /** Changed by the book alone while the lease is held. */
  phase: LeasePhase
  /** Since when the backend's answer is waited for, in monotonic milliseconds; undefined in the other phases. */
  readonly awaitedSince: number | undefined
  cut(reason: Error): void
}

/**
 * The leases held on one backend. A count goes up where a lease enters the book and down where it leaves, and nowhere
 * else, which is why it cannot drift from the truth.
 */
export class LeaseBook {
  readonly #counter: LoadCounter
  #total = 0
  readonly #ended: Record<Outcome, number> = { ok: 0, failed: 0, cancelled: 0, doubtful: 0 }
  readonly #prepared = new LinkedList<BookedLease>()
  /** The longest awaited first. */
  readonly #awaited = new LinkedList<BookedLease>()
  readonly #transferring = new LinkedList<BookedLease>()

  constructor(counter: LoadCounter) {
    this.#counter = counter
  }

  /** Leases whose connection is a tunnel now. */
  get tunnels(): number {
    return this.#counter.tunnels
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

  /** @internal Enters a new lease. */
  add(lease: BookedLease): void {
    this.#total++
    this.#counter.increment()
    this.#listOf(lease.phase).append(lease)
  }

  /** @internal A lease enters a phase, perhaps the one that it was in: it is the last there now. */
  move(lease: BookedLease, phase: LeasePhase): void {
    const from = this.#listOf(lease.phase)
    const to = this.#listOf(phase)
    lease.phase = phase
    if (from === to && to.last === lease) return
    from.remove(lease)
    to.append(lease)
  }

  /** @internal Takes out a lease that is released. */
  remove(lease: BookedLease, outcome: Outcome): void {
    this.#listOf(lease.phase).remove(lease)
    this.#counter.decrement()
    this.#ended[outcome]++
  }

  /** @internal So many tunnels more, or fewer, and so many more of them without traffic. */
  addTunnels(tunnels: number, quiet: number): void {
    this.#counter.addTunnels(tunnels, quiet)
  }

  /**
   * Cuts every lease that is held now. Returns how many.
   * @param observerGuard is told what a listener of a cut throws
   */
  cutAll(reason: Error, observerGuard = new ObserverGuard(warn)): number {
    const held: BookedLease[] = []
    for (const list of [this.#prepared, this.#awaited, this.#transferring]) {
      for (let lease = list.first; lease; lease = lease.next) held.push(lease)
    }
    for (const lease of held) observerGuard.call(() => lease.cut(reason))
    return held.length
  }

  #listOf(phase: LeasePhase): LinkedList<BookedLease> {
    if (phase === 'awaited') return this.#awaited
    return phase === 'prepared' ? this.#prepared : this.#transferring
  }
}
