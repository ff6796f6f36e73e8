/** What a {@link LinkedList} is made of. Whoever is in a chain is in no other at the same time. */
export interface ListNode<T> {
  previous: T | undefined
  next: T | undefined
}

/** A list in which joining at the end and leaving from anywhere cost the same, and allocate nothing. */
export class LinkedList<T extends ListNode<T>> {
  #first: T | undefined
  #last: T | undefined

  get first(): T | undefined {
    return this.#first
  }

  get last(): T | undefined {
    return this.#last
  }

  append(link: T): void {
    link.previous = this.#last
    link.next = undefined
    if (this.#last) this.#last.next = link
    else this.#first = link
    this.#last = link
  }

  /** Puts it before another one, or at the end. */
  insert(link: T, before: T | undefined): void {
    if (!before) {
      this.append(link)
      return
    }
    link.previous = before.previous
    link.next = before
    if (before.previous) before.previous.next = link
    else this.#first = link
    before.previous = link
  }

  remove(link: T): void {
    if (link.previous) link.previous.next = link.next
    else this.#first = link.next
    if (link.next) link.next.previous = link.previous
    else this.#last = link.previous
    link.previous = undefined
    link.next = undefined
  }
}
