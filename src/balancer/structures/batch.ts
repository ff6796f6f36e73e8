/** Tells when changes that belong together have been made. A batch may begin inside another one, and then ends with it. */
export class Batch {
  #depth = 0
  #waiting: (() => void)[] = []

  get isOpen(): boolean {
    return this.#depth > 0
  }

  /**
   * Makes changes as one.
   * @param onEnd called once all are made, also where one of them throws; not called for a batch inside another one
   */
  run(change: () => void, onEnd: () => void): void {
    this.#depth++
    try {
      change()
    } finally {
      this.#depth--
      if (this.#depth === 0) {
        onEnd()
        for (const callback of this.#waiting.splice(0)) callback()
      }
    }
  }

  /** Calls back after the end of the batch, and at once where none is open. */
  atEnd(callback: () => void): void {
    if (this.isOpen) this.#waiting.push(callback)
    else callback()
  }
}
