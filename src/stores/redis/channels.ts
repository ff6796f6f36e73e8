import { warn } from '../../balancer/observer-guard.js'
import type { Link } from './link.js'

/** Those who listen on channels, over a connection that may be another one from time to time. */
export class Channels {
  readonly #link: Link
  readonly #listeners = new Map<string, Set<(message: string) => void>>()

  constructor(link: Link) {
    this.#link = link
  }

  /** The channels on which somebody listens. A new connection has to subscribe to them. */
  get names(): string[] {
    return [...this.#listeners.keys()]
  }

  /** Calls back with each message of a channel. Returns a function that ends the calls. */
  listen(channel: string, listener: (message: string) => void): () => void {
    const listeners = this.#listeners.get(channel) ?? new Set()
    if (listeners.size === 0) {
      this.#link.client?.subscribe(channel).catch((error) => this.#link.fail(error))
    }
    this.#listeners.set(channel, listeners.add(listener))
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return
      this.#listeners.delete(channel)
      this.#link.client?.unsubscribe(channel).catch((error) => this.#link.fail(error))
    }
  }

  heard(channel: string, message: string): void {
    for (const listener of this.#listeners.get(channel) ?? []) {
      // What a listener throws would otherwise end the process.
      try {
        listener(message)
      } catch (error) {
        warn(error)
      }
    }
  }
}
