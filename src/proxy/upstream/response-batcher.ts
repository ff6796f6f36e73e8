/** An answer of which the head has come. */
export interface BatchedResponse {
  /** Delivers it as one of which more has yet to come; nothing where it was delivered as a whole. */
  open(): void
}

/**
 * Answers of which the head has come, and perhaps all of the rest: what arrived together is parsed in this turn of the
 * event loop. One look for all of them at its end costs less than a microtask for each.
 */
export class ResponseBatcher {
  #answers: BatchedResponse[] = []

  add(answer: BatchedResponse): void {
    if (this.#answers.push(answer) === 1) setImmediate(this.#look)
  }

  readonly #look = (): void => {
    const answers = this.#answers
    this.#answers = []
    for (const answer of answers) {
      try {
        answer.open()
      } catch (error) {
        // The others are not to wait for whoever hears of this.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
