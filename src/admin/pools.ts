import type { FastifyRequest } from 'fastify'
import type { Balancer } from '../balancer/balancer.js'
import { PoolNotFoundError } from './errors.js'

/** Name of the pool to which calls without a pool name apply. */
const DEFAULT_POOL = 'default'

/** The pools that one admin API administers, by name. */
export class AdminPools {
  readonly #pools: ReadonlyMap<string, Balancer>

  /** @param pools the pools, at least one; pools may be added and removed while the API is in use */
  constructor(pools: ReadonlyMap<string, Balancer>) {
    this.#pools = pools
  }

  /** Returns pairs of a name and a pool, in order of registration. */
  entries(): [string, Balancer][] {
    return [...this.#pools]
  }

  /** Returns the pools in order of registration. */
  list(): Balancer[] {
    return [...this.#pools.values()]
  }

  /**
   * Returns the pool to which a call applies: the pool that the path names, as in `/pools/users/backends`, or else the
   * pool `default`, or else the only pool.
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
