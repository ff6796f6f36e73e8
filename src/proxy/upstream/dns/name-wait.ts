import type { HostLookup } from './host-lookup.js'

/** Waits until a backend's name has addresses, before the backend is connected to. */
export class NameWait {
  #leave: (() => void) | undefined

  /** Whether a name is being waited for. */
  get isWaiting(): boolean {
    return this.#leave !== undefined
  }

  /** Begins to wait. @param done called once, unless the wait is given up; at once where the addresses are known */
  start(lookup: HostLookup, done: (error: Error | undefined, hasWaited: boolean) => void): void {
    this.#leave = lookup.wait((error) => {
      const hasWaited = this.isWaiting
      this.#leave = undefined
      done(error, hasWaited)
    })
  }

  /** Ends the wait. Returns false where nothing was waited for. */
  giveUp(): boolean {
    const leave = this.#leave
    this.#leave = undefined
    leave?.()
    return leave !== undefined
  }
}
