import type { Balancer } from '../balancer/balancer.js'
import type { PoolConfig } from '../config/file/gateway-config.js'
import type { Pool } from '../pool/pool.js'
import type { PreparedSettings } from '../pool/prepared-settings.js'

/** A change of the pools that is made, and may yet be taken back. */
export interface PreparedPools {
  /** The pools as they will be. */
  readonly pools: ReadonlyMap<string, Pool>
  /**
   * Brings all settings into force, and closes the pools that are left out once their requests are over.
   * @throws if a pool does not take its settings any more; then nothing has changed, and it can be taken back
   */
  commit(): void
  /** Takes everything back. */
  rollback(): Promise<void>
}

/** The pools of a gateway. A pool that stays in the configuration keeps its backends, counts and connections. */
export class GatewayPools {
  readonly #make: (config: PoolConfig) => Promise<Pool>
  #pools = new Map<string, Pool>()
  /** Pools that are not in the configuration any more, and have requests, and when the store of each is free. */
  readonly #leaving = new Map<Pool, Promise<void>>()
  /** The pools by name, as they are now. */
  readonly balancers = new Map<string, Balancer>()

  /** @param make opens a pool */
  constructor(make: (config: PoolConfig) => Promise<Pool>) {
    this.#make = make
  }

  get(name: string): Pool | undefined {
    return this.#pools.get(name)
  }

  /** All pools, with those that are on their way out. */
  *all(): Generator<Balancer> {
    for (const { balancer } of [...this.#pools.values(), ...this.#leaving.keys()]) yield balancer
  }

  /**
   * Opens new pools, and makes those that stay ready for their settings. Routes that are made from now on have them.
   * @throws if a pool cannot be opened or does not take its settings; then nothing has changed
   */
  async prepare(configs: readonly PoolConfig[]): Promise<PreparedPools> {
    const next = new Map<string, Pool>()
    const opened: Pool[] = []
    const changed: PreparedSettings[] = []
    const rollback = async () => {
      for (const settings of changed) settings.rollback()
      await Promise.all(opened.map((pool) => pool.close()))
    }
    try {
      for (const config of configs) {
        const known = this.#pools.get(config.name)
        const pool = known ?? (await this.#open(config))
        if (known) changed.push(known.prepare(config.settings))
        else opened.push(pool)
        next.set(config.name, pool)
      }
    } catch (error) {
      await rollback()
      throw error
    }
    return {
      pools: next,
      rollback,
      commit: () => {
        // Backends may have been registered meanwhile.
        for (const settings of changed) settings.check()
        for (const settings of changed) settings.commit()
        const left = [...this.#pools.values()].filter(({ name }) => !next.has(name))
        this.#pools = next
        this.balancers.clear()
        for (const [name, { balancer }] of next) this.balancers.set(name, balancer)
        for (const pool of opened) pool.start()
        for (const pool of left) this.#retire(pool)
      },
    }
  }

  /** Opens a pool, which may have the name and the store of one that is on its way out. */
  async #open(config: PoolConfig): Promise<Pool> {
    for (const [pool, stored] of this.#leaving) if (pool.name === config.name) await stored
    return this.#make(config)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values(), ...this.#leaving.keys()].map((pool) => pool.close()))
  }

  async #retire(pool: Pool): Promise<void> {
    this.#leaving.set(pool, pool.closeStore())
    await pool.retire()
    this.#leaving.delete(pool)
  }
}
