import type { Backend } from '../backends/backend.js'

/** The backends that are eligible only because too few others are usable. */
export class UnusableBackends {
  #backends: readonly Backend[] = []
  /** The set of eligible backends to which `#backends` belongs. */
  #eligible: readonly Backend[] | undefined

  /** Returns a set of backends together with those of the eligible ones that are not usable. */
  with(backends: ReadonlySet<Backend>, eligible: readonly Backend[]): ReadonlySet<Backend> {
    if (this.#eligible !== eligible) {
      this.#backends = eligible.filter(({ isUsable }) => !isUsable)
      this.#eligible = eligible
    }
    return this.#backends.length > 0 ? new Set([...this.#backends, ...backends]) : backends
  }
}
