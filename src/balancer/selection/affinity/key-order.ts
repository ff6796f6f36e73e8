import type { Backend } from '../../backends/backend.js'
import { hashText, homeCodeOf, mix, OTHER_SEED, SEED } from './key-hash.js'

/** Number of values of a hash of 32 bits. */
const HASH_VALUES = 2 ** 32
/** Smallest part of its weight with which a backend counts, however new it is. */
const MIN_FACTOR = 1e-6

/** Returns the part of its weight that a backend counts with now, from 0 to 1. */
export type WeightFactor = (backend: Backend, now: number) => number

/** The order in which one backend comes for a key: its distance from the key, the least of which is first. */
export interface PlacedBackend {
  backend: Backend
  distance: number
}

/**
 * The order of the backends for each key, by rendezvous hashing (Thaler and Ravishankar, 1996,
 * https://www.eecs.umich.edu/techreports/cse/96/CSE-TR-316-96.pdf): a hash of key and backend is a number between 0 and
 * 1, and the highest is first. With weights it is the least `-ln(number) / weight` (Schindelhauer and Schomaker, 2005,
 * https://doi.org/10.1145/1073970.1074008), so that a backend is first for a part of all keys that follows its weight.
 * A backend that leaves or joins moves only keys of its own, and every gateway finds the same order.
 *
 * A search looks at each backend once, and takes a logarithm only where it may change the result.
 */
export class KeyOrder {
  readonly #factorOf: WeightFactor
  #backends: readonly Backend[] = []
  /** Both halves of the hash of each backend's id. */
  #hashes = new Int32Array(0)
  #otherHashes = new Int32Array(0)
  #byCode = new Map<number, Backend>()
  #keyHash = 0
  #otherKeyHash = 0

  /** @param factorOf called only for backends whose share is limited now */
  constructor(factorOf: WeightFactor) {
    this.#factorOf = factorOf
  }

  /** All backends that have keys, in the order of their ids. */
  get backends(): readonly Backend[] {
    return this.#backends
  }

  /** Takes over a new set of backends. */
  update(backends: readonly Backend[]): void {
    // Two backends may have the same distance: then the first by id is first, in every gateway.
    this.#backends = [...backends].sort((a, b) => (a.id < b.id ? -1 : 1))
    this.#hashes = Int32Array.from(this.#backends, ({ id }) => hashText(id, SEED))
    this.#otherHashes = Int32Array.from(this.#backends, ({ id }) => hashText(id, OTHER_SEED))
    this.#byCode = new Map(this.#backends.map((backend) => [homeCodeOf(backend.id), backend]))
  }

  /** Returns the backend with this code; see {@link homeCodeOf}. */
  withCode(code: number): Backend | undefined {
    return this.#byCode.get(code)
  }

  /** Sets the key of the following searches. */
  seek(key: string): void {
    this.#keyHash = hashText(key, SEED)
    this.#otherKeyHash = hashText(key, OTHER_SEED)
  }

  /**
   * Returns the first backend of the key's order that is accepted; undefined where none is.
   * @param now monotonic milliseconds
   * @param accepts returns true for a backend that may be chosen; by default every backend may be
   */
  first(now: number, accepts?: (backend: Backend) => boolean): Backend | undefined {
    let best: Backend | undefined
    let least = Number.POSITIVE_INFINITY
    for (let i = 0; i < this.#backends.length; i++) {
      const backend = this.#backends[i] as Backend
      const weight = this.#weightOf(backend, now)
      const part = this.#partOf(i)
      // -ln(x) is at least 1 - x, so most backends need no logarithm.
      if ((1 - part) / weight >= least) continue
      const distance = -Math.log(part) / weight
      if (distance >= least || accepts?.(backend) === false) continue
      best = backend
      least = distance
    }
    return best
  }

  /** Returns all backends in the key's order. */
  list(now: number): PlacedBackend[] {
    return this.#backends
      .map((backend, i) => ({
        backend,
        distance: -Math.log(this.#partOf(i)) / this.#weightOf(backend, now),
      }))
      .sort((a, b) => a.distance - b.distance)
  }

  /** Returns the hash of the key and of a backend, as a number between 0 and 1. */
  #partOf(i: number): number {
    const half = mix(this.#keyHash ^ (this.#hashes[i] as number))
    const hash = mix(half ^ this.#otherKeyHash ^ (this.#otherHashes[i] as number))
    return ((hash >>> 0) + 0.5) / HASH_VALUES
  }

  #weightOf(backend: Backend, now: number): number {
    if (backend.tier === 0) return backend.weight
    return backend.weight * Math.max(MIN_FACTOR, this.#factorOf(backend, now))
  }
}
