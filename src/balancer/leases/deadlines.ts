import type { Waiter } from './waiter.js'
import type { WaitingLines } from './waiting-lines.js'

/** Tells when the time of waiting requests is up. The time that a request may wait is that at which it began to. */
export class Deadlines {
  readonly #lines: WaitingLines<Waiter>
  #timeoutMs: number
  /**
   * The ticket of the last request that joined with a longer time than those after it; 0 for none. While the earliest
   * request is one of these, requests behind it may have to be refused before it.
   */
  #lastLonger = 0

  constructor(lines: WaitingLines<Waiter>, timeoutMs: number) {
    this.#lines = lines
    this.#timeoutMs = timeoutMs
  }

  /**
   * Takes another time for requests that begin to wait from now on.
   * @param lastTicket of the requests so far
   */
  configure(timeoutMs: number, lastTicket: number): void {
    if (timeoutMs < this.#timeoutMs) this.#lastLonger = lastTicket
    this.#timeoutMs = timeoutMs
  }

  /** Returns the time at which a request that begins to wait now is refused. */
  from(now: number): number {
    return now + this.#timeoutMs
  }

  /** The waiting request whose time is up first. */
  get next(): Waiter | undefined {
    let next = this.#lines.first
    if (!next || next.ticket > this.#lastLonger) return next
    for (const { waiters } of this.#lines.all())
      for (let waiter = waiters.first; waiter; waiter = waiter.next)
        if (waiter.deadline < next.deadline) next = waiter
    return next
  }
}
