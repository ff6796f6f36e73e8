import type { FastifyRequest } from 'fastify'
import type { Balancer } from '../balancer/balancer.js'
import { PoolNotFoundError } from './errors.js'

/** The name of the pool that calls without a name are for. */
const DEFAULT_POOL = 'default'

/** The pools that one admin API is for, by name. */
export class AdminPools {
  readonly #pools: ReadonlyMap<string, Balancer>

  /** @param pools at least one; the map may get more of them while the API is in use */
  constructor(pools: ReadonlyMap<string, Balancer>) {
    this.#pools = pools
  }

  /** Names and pools, in order of registration. */
  entries(): [string, Balancer][] {
    return [...this.#pools]
  }

  /**
   * The pool that a call is for: the one that its path names, as in `/pools/users/backends`; otherwise `default`, or
   * the only one there is.
   * @throws {PoolNotFoundError}
   */
  of(request: FastifyRequest): Balancer {
    const { pool: name } = request.params as { pool?: string }
    const pool = name === undefined ? this.#unnamed() : this.#pools.get(name)
    if (pool) return pool
    throw new PoolNotFoundError(
      name === undefined
        ? `there are several pools, so the path has to name one: /pools/${[...this.#pools.keys()][0]}/…`
        : `there is no pool "${name}"`,
    )
  }

  #unnamed(): Balancer | undefined {
    const [first] = this.#pools.values()
    return this.#pools.get(DEFAULT_POOL) ?? (this.#pools.size === 1 ? first : undefined)
  }
}
