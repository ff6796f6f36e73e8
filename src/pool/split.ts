import type { FastifyRequest } from 'fastify'
import { isUsable } from '../balancer/at-once.js'
import { hashText, mix } from '../balancer/selection/affinity/key-hash.js'
import type { Peer } from '../proxy/http/peer.js'
import type { RouteTarget } from '../proxy/route-target.js'

/** A pool that gets a part of a route's requests. */
export interface WeightedTarget<T> {
  target: T
  /** From 0 on; a pool with the weight 0 gets nothing. */
  weight: number
}

/** The seed for hashes of keys and of names of pools, which differs from that by which backends are chosen. */
const SPLIT_SEED = 0x165667b1
/** Number of values of a hash of 32 bits. */
const HASH_VALUES = 2 ** 32

interface Side extends WeightedTarget<RouteTarget> {
  /** The hash of the pool's name. */
  hash: number
}

/**
 * Splits the requests of a route between pools by weight: at random, or where requests have keys, so that a key keeps
 * its pool. The pool of a key is found by rendezvous hashing with weights, as its backend is (see `KeyOrder`): where one
 * weight changes, keys move only to this pool or away from it.
 *
 * A pool without a usable backend is passed over, as if its weight was 0. If no pool has one, a request goes where it
 * would go otherwise, and this pool panics or refuses it.
 */
export class Split {
  /** Those that get requests, which is at least one. */
  readonly #sides: readonly Side[]
  readonly #random: () => number

  constructor(targets: readonly WeightedTarget<RouteTarget>[], random: () => number) {
    this.#random = random
    this.#sides = targets
      .filter(({ weight }) => weight > 0)
      .map(({ target, weight }) => ({ target, weight, hash: hashText(target.pool, SPLIT_SEED) }))
  }

  /** Chooses the pool for a request, which need not have a backend that is free. */
  choose(request: FastifyRequest, peer: Peer): RouteTarget {
    let key: string | undefined
    for (const { target } of this.#sides) {
      const found = target.affinity?.keyOf(request, peer)
      // The client's cookie was set by this pool.
      if (found?.home !== undefined && isUsable(target.balancer)) return target
      key ??= found?.key
    }
    return key === undefined ? this.#draw() : this.#find(key)
  }

  /** The pool of a key. */
  #find(key: string): RouteTarget {
    const keyHash = hashText(key, SPLIT_SEED)
    let best: RouteTarget | undefined
    let first: RouteTarget | undefined
    let least = Number.POSITIVE_INFINITY
    let leastOfAll = Number.POSITIVE_INFINITY
    for (const { target, weight, hash } of this.#sides) {
      const part = ((mix(mix(keyHash ^ hash) ^ keyHash) >>> 0) + 0.5) / HASH_VALUES
      const distance = -Math.log(part) / weight
      if (distance < leastOfAll) {
        leastOfAll = distance
        first = target
      }
      if (distance < least && isUsable(target.balancer)) {
        least = distance
        best = target
      }
    }
    return (best ?? first) as RouteTarget
  }

  #draw(): RouteTarget {
    return this.#drawFrom(({ balancer }) => isUsable(balancer)) ?? (this.#drawFrom(() => true) as RouteTarget)
  }

  #drawFrom(accepts: (target: RouteTarget) => boolean): RouteTarget | undefined {
    let sum = 0
    for (const { target, weight } of this.#sides) if (accepts(target)) sum += weight
    if (sum === 0) return undefined
    let rest = this.#random() * sum
    let last: RouteTarget | undefined
    for (const { target, weight } of this.#sides) {
      if (!accepts(target)) continue
      last = target
      rest -= weight
      if (rest < 0) break
    }
    return last
  }
}
