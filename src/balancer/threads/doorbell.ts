/**
 * Wakes the event loops of other threads. Each thread has a word in shared memory; who changes the word wakes its
 * thread, within about 20 microseconds where that thread is idle. No thread ever blocks.
 */
export class Doorbells {
  readonly #bells: Int32Array

  constructor(buffer: SharedArrayBuffer) {
    this.#bells = new Int32Array(buffer)
  }

  /** @param threads number of threads that can be woken */
  static allocate(threads: number): SharedArrayBuffer {
    return new SharedArrayBuffer(threads * Int32Array.BYTES_PER_ELEMENT)
  }

  /** Wakes a thread. */
  ring(thread: number): void {
    Atomics.add(this.#bells, thread, 1)
    Atomics.notify(this.#bells, thread)
  }

  /**
   * Calls back after each ring, once for rings that come together. It does not keep the thread alive.
   * @returns a function that ends the calls
   */
  listen(thread: number, callback: () => void): () => void {
    let heard = Atomics.load(this.#bells, thread)
    let isListening = true
    const wait = () => {
      if (!isListening) return
      const { async, value } = Atomics.waitAsync(this.#bells, thread, heard)
      if (async) value.then(wake)
      else setImmediate(wake)
    }
    const wake = () => {
      if (!isListening) return
      heard = Atomics.load(this.#bells, thread)
      callback()
      wait()
    }
    wait()
    return () => {
      isListening = false
      // A wait that never ends would keep the memory and the callback for ever.
      Atomics.notify(this.#bells, thread)
    }
  }
}
