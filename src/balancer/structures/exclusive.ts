/** Runs one action at a time: an action that would begin within another one is left out. */
export class Exclusive {
  #isRunning = false

  get isRunning(): boolean {
    return this.#isRunning
  }

  run(act: () => void): void {
    if (this.#isRunning) return
    this.#isRunning = true
    try {
      act()
    } finally {
      this.#isRunning = false
    }
  }
}
