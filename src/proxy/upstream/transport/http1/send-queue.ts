/** A request that waits to be sent. */
export interface QueuedSend {
  /** Sends the request. */
  flush(): void
}

/**
 * Sends requests at the end of a turn of the event loop. By then the event loop has read what had arrived: that a
 * backend has closed a kept connection, on which a POST would be lost, and the body that came together with the head of
 * a request. One pass over all requests costs less than an immediate for each.
 */
class SendQueue {
  #sends: QueuedSend[] = []

  add(send: QueuedSend): void {
    if (this.#sends.push(send) === 1) setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    const sends = this.#sends
    this.#sends = []
    for (const send of sends) {
      try {
        send.flush()
      } catch (error) {
        // The error is thrown outside this loop, so that the other requests are sent.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}

/** The requests of all pools, as they share the event loop. */
export const sendQueue = new SendQueue()
