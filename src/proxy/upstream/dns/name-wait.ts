import type { HostLookup } from './host-lookup.js'

/** Waits until a backend's name has addresses, before a connection to the backend is made. */
export class NameWait {
  #leave: (() => void) | undefined

  /** True while a name is waited for. */
  get isWaiting(): boolean {
    return this.#leave !== undefined
  }

  /** Begins to wait. @param done called once, unless the wait is given up; called at once if the addresses are known */
  start(lookup: HostLookup, done: (error: Error | undefined, hasWaited: boolean) => void): void {
    this.#leave = lookup.wait((error) => {
      const hasWaited = this.isWaiting
      this.#leave = undefined
      done(error, hasWaited)
    })
  }

  /** Ends the wait. Returns false if nothing was waited for. */
  giveUp(): boolean {
    const leave = this.#leave
    this.#leave = undefined
    leave?.()
    return leave !== undefined
  }
}
