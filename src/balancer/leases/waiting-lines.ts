import type { Backend } from '../backends/backend.js'
import { LinkedList, type ListNode } from '../structures/linked-list.js'
import type { RequestTraits } from './lease-request.js'

/** The traits of a request that decide which free backends it may use. */
type Demand = Pick<RequestTraits, 'except' | 'repeatable'>

/** The key of the line whose requests may use any backend. */
export const ANY_BACKEND = 'any'

/** A waiting request. */
export interface Waiting<T extends Waiting<T>> extends ListNode<T> {
  readonly request: Demand
  /** A number that grows with each request, so that the lowest one came first. */
  readonly ticket: number
  /** @internal The line in which the request waits. */
  line: Line<T> | undefined
}

/**
 * Requests with the same demand, in order of arrival. A backend that the first of them may not use, none of the others
 * may use either.
 */
export interface Line<T extends Waiting<T>> {
  readonly key: string
  readonly except: ReadonlySet<Backend> | undefined
  readonly waiters: LinkedList<T>
  /** The number of the latest round in which no backend was found for this line. */
  missed: number
}

/**
 * Waiting requests, in one line for each demand: mostly any backend, sometimes any but a few on which the request
 * failed. So one choice serves for a thousand requests with the same demand, and the earliest request of all is found
 * by looking only at the first of each line.
 */
export class WaitingLines<T extends Waiting<T>> {
  readonly #lines = new Map<string, Line<T>>()
  /**
   * A number for each backend, as part of a line's key. An id would not do, because it may be given to another backend
   * later.
   */
  readonly #numbers = new WeakMap<Backend, number>()
  #numbered = 0
  #round = 0

  /** Returns all lines, none of which is empty. */
  all(): IterableIterator<Line<T>> {
    return this.#lines.values()
  }

  /** Begins a round, in which no line has missed yet. */
  startRound(): void {
    this.#round++
  }

  /** Records that no backend was found for the first request of a line in this round. */
  miss(line: Line<T>): void {
    line.missed = this.#round
  }

  /** Returns the line with the earliest request, among the lines that have not missed in this round. */
  next(): Line<T> | undefined {
    let best: Line<T> | undefined
    let ticket = Number.POSITIVE_INFINITY
    for (const line of this.#lines.values()) {
      const { first } = line.waiters
      if (!first || first.ticket >= ticket || line.missed === this.#round) continue
      best = line
      ticket = first.ticket
    }
    return best
  }

  /** The earliest waiting request. */
  get first(): T | undefined {
    let best: T | undefined
    for (const { waiters } of this.#lines.values()) {
      if (waiters.first && !(best && best.ticket < waiters.first.ticket)) best = waiters.first
    }
    return best
  }

  /** Puts a request where its ticket belongs: mostly at the end of its line, and at the start if it waited before. */
  add(waiter: T): void {
    const key = this.#keyOf(waiter.request)
    let line = this.#lines.get(key)
    if (!line) {
      line = { key, except: waiter.request.except, waiters: new LinkedList(), missed: 0 }
      this.#lines.set(key, line)
    }
    const { waiters } = line
    let before = waiters.last && waiters.last.ticket > waiter.ticket ? waiters.first : undefined
    while (before && before.ticket < waiter.ticket) before = before.next
    waiters.insert(waiter, before)
    waiter.line = line
  }

  /** Takes out a waiting request. */
  remove(waiter: T): void {
    const { key, waiters } = waiter.line as Line<T>
    waiters.remove(waiter)
    waiter.line = undefined
    if (!waiters.first) this.#lines.delete(key)
  }

  #keyOf({ except, repeatable = true }: Demand): string {
    const kind = repeatable ? ANY_BACKEND : 'lasting'
    if (!except || except.size === 0) return kind
    const numbers = Array.from(except, (backend) => this.#numberOf(backend)).sort((a, b) => a - b)
    return `${kind} but ${numbers.join()}`
  }

  #numberOf(backend: Backend): number {
    let number = this.#numbers.get(backend)
    if (number === undefined) {
      number = ++this.#numbered
      this.#numbers.set(backend, number)
    }
    return number
  }
}
