import type { Backend } from '../backends/backend.js'
import { LinkedList, type ListNode } from '../structures/linked-list.js'
import type { RequestTraits } from './lease-request.js'

/** The traits of a request that decide whether a free backend suits it. */
type Demand = Pick<RequestTraits, 'except' | 'repeatable'>

/** A waiting request. */
export interface Waiting<T extends Waiting<T>> extends ListNode<T> {
  readonly request: Demand
  /** Counts up with each request: the lowest one came first. */
  readonly ticket: number
  /** @internal the line in which it waits */
  line: Line<T> | undefined
}

/** Requests that want the same, in order of arrival: a backend that is none for the first is none for the others either. */
export interface Line<T extends Waiting<T>> {
  readonly key: string
  readonly except: ReadonlySet<Backend> | undefined
  readonly waiters: LinkedList<T>
  /** The latest round in which nothing was found for it. */
  missed: number
}

/**
 * Requests that wait, in one line for each thing that they want: mostly any backend, sometimes any but a few that failed
 * the request before. So one choice is made for a thousand that want the same, and the one that came first of all is
 * found by looking at the first of each line.
 */
export class WaitingLines<T extends Waiting<T>> {
  readonly #lines = new Map<string, Line<T>>()
  /** Backends are told apart by number: an id may be given anew. */
  readonly #numbers = new WeakMap<Backend, number>()
  #numbered = 0
  #round = 0

  /** All lines, none of them empty. */
  all(): IterableIterator<Line<T>> {
    return this.#lines.values()
  }

  /** From now on no line has missed anything. */
  startRound(): void {
    this.#round++
  }

  /** Notes that no backend was found for the first request of a line in this round. */
  miss(line: Line<T>): void {
    line.missed = this.#round
  }

  /** The line of the one that came first, of those lines that have missed nothing in this round. */
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

  /** The request that came first. */
  get first(): T | undefined {
    let best: T | undefined
    for (const { waiters } of this.#lines.values()) {
      if (waiters.first && !(best && best.ticket < waiters.first.ticket)) best = waiters.first
    }
    return best
  }

  /** Puts one where its ticket says it belongs: mostly at the end of its line, and at the start if it was there before. */
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

  /** Takes out one that waits here. */
  remove(waiter: T): void {
    const { key, waiters } = waiter.line as Line<T>
    waiters.remove(waiter)
    waiter.line = undefined
    if (!waiters.first) this.#lines.delete(key)
  }

  #keyOf({ except, repeatable = true }: Demand): string {
    const kind = repeatable ? 'any' : 'lasting'
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
