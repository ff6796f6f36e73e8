/** A response body that is not delivered yet, although its first part may have come. */
export interface BatchedBody {
  /** Delivers the body as a stream, unless it was delivered before. */
  open(): void
}

/**
 * Opens bodies at the end of a turn of the event loop, because everything that arrived together, perhaps the whole
 * body, is parsed in the same turn. One pass over all bodies costs less than a microtask for each body.
 */
export class BodyBatcher {
  #bodies: BatchedBody[] = []

  add(body: BatchedBody): void {
    if (this.#bodies.push(body) === 1) setImmediate(this.#openAll)
  }

  readonly #openAll = (): void => {
    const bodies = this.#bodies
    this.#bodies = []
    for (const body of bodies) {
      try {
        body.open()
      } catch (error) {
        // The error is thrown outside this loop, so that the other bodies go on.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
