/** A node of a {@link LinkedList}. A node can be in one list at a time. */
export interface ListNode<T> {
  previous: T | undefined
  next: T | undefined
}

/** A doubly linked list: adding a node, and removing one from anywhere, take constant time and allocate nothing. */
export class LinkedList<T extends ListNode<T>> {
  #first: T | undefined
  #last: T | undefined

  get first(): T | undefined {
    return this.#first
  }

  get last(): T | undefined {
    return this.#last
  }

  append(node: T): void {
    node.previous = this.#last
    node.next = undefined
    if (this.#last) this.#last.next = node
    else this.#first = node
    this.#last = node
  }

  /** Puts a node before another one, or at the end. */
  insert(node: T, before: T | undefined): void {
    if (!before) {
      this.append(node)
      return
    }
    node.previous = before.previous
    node.next = before
    if (before.previous) before.previous.next = node
    else this.#first = node
    before.previous = node
  }

  remove(node: T): void {
    if (node.previous) node.previous.next = node.next
    else this.#first = node.next
    if (node.next) node.next.previous = node.previous
    else this.#last = node.previous
    node.previous = undefined
    node.next = undefined
  }
}
