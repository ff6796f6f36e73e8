/** An item of a {@link DueHeap}. An item can be in one heap at a time. */
export interface DueItem {
  /** The time at which the item is due, in any unit; it must not change while the item is in the heap. */
  due: number
  /** The item's place in the heap; -1 while it is in no heap. */
  place: number
}

/**
 * Items ordered by when they are due, in a binary heap (https://en.wikipedia.org/wiki/Binary_heap). Adding or removing
 * an item takes time in proportion to the logarithm of the number of items.
 */
export class DueHeap<T extends DueItem> {
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  /** The item that is due first. */
  get first(): T | undefined {
    return this.#items[0]
  }

  add(item: T): void {
    item.place = this.#items.length
    this.#items.push(item)
    this.#rise(item)
  }

  /** Removes an item from the heap. */
  remove(item: T): void {
    const last = this.#items.pop() as T
    if (last !== item) {
      this.#put(last, item.place)
      this.#rise(last)
      this.#sink(last)
    }
    item.place = -1
  }

  #rise(item: T): void {
    while (item.place > 0) {
      const parent = this.#items[(item.place - 1) >> 1] as T
      if (parent.due <= item.due) return
      this.#swap(parent, item)
    }
  }

  #sink(item: T): void {
    for (;;) {
      const left = this.#items[2 * item.place + 1]
      const right = this.#items[2 * item.place + 2]
      const child = right && right.due < (left as T).due ? right : left
      if (!child || child.due >= item.due) return
      this.#swap(item, child)
    }
  }

  #swap(upper: T, lower: T): void {
    const { place } = lower
    this.#put(lower, upper.place)
    this.#put(upper, place)
  }

  #put(item: T, place: number): void {
    this.#items[place] = item
    item.place = place
  }
}
