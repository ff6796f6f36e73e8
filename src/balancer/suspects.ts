import type { Backend } from './backend.js'

/** Milliseconds after which a backend is given the next request, though it has not answered since. */
const REST = 1000

/**
 * Backends that let a request wait for so long that a second one answered it first. The request is taken off
 * them then, which makes one that stands still look idle, and the next request would go there, and the one after
 * that. So they get none until they have answered something, or for a second.
 */
export class Suspects {
  readonly #until = new Map<Backend, number>()

  /** Whether there is any. */
  get any(): boolean {
    return this.#until.size > 0
  }

  overtaken(backend: Backend, now: number): void {
    this.#until.set(backend, now + REST)
  }

  /** It has answered, or is no backend of ours any more. */
  clear(backend: Backend): void {
    this.#until.delete(backend)
  }

  /** Those that are not to be chosen now. */
  barred(now: number): ReadonlySet<Backend> {
    for (const [backend, until] of this.#until) if (until <= now) this.#until.delete(backend)
    return new Set(this.#until.keys())
  }
}
