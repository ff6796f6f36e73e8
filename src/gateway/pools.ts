import type { Balancer } from '../balancer/balancer.js'
import type { PoolConfig } from '../config/file/gateway-config.js'
import type { Pool } from '../pool/pool.js'

/** A change of the pools that is made, and may yet be taken back. */
export interface PreparedPools {
  /** The pools as they will be. */
  readonly pools: ReadonlyMap<string, Pool>
  /** Closes the pools that are left out, once their requests are over. */
  commit(): void
  /** Takes everything back. */
  rollback(): Promise<void>
}

/** The pools of a gateway. A pool that stays in the configuration keeps its backends, counts and connections. */
export class GatewayPools {
  readonly #make: (config: PoolConfig) => Promise<Pool>
  #pools = new Map<string, Pool>()
  /** Pools that are not in the configuration any more, and have requests. */
  readonly #leaving = new Set<Pool>()
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
    for (const { balancer } of [...this.#pools.values(), ...this.#leaving]) yield balancer
  }

  /**
   * Changes the settings of the pools that stay, and opens new ones.
   * @throws if a pool cannot be opened or does not take its settings; then nothing has changed
   */
  async prepare(configs: readonly PoolConfig[]): Promise<PreparedPools> {
    const next = new Map<string, Pool>()
    const opened: Pool[] = []
    const undo: (() => void)[] = []
    const rollback = async () => {
      for (const back of undo.reverse()) back()
      await Promise.all(opened.map((pool) => pool.close()))
    }
    try {
      for (const config of configs) {
        const known = this.#pools.get(config.name)
        const pool = known ?? (await this.#make(config))
        if (!known) opened.push(pool)
        next.set(config.name, pool)
      }
      for (const { name, settings } of configs) {
        const pool = next.get(name) as Pool
        if (opened.includes(pool)) continue
        const { settings: before } = pool
        pool.configure(settings)
        undo.push(() => pool.configure(before))
      }
    } catch (error) {
      await rollback()
      throw error
    }
    return {
      pools: next,
      rollback,
      commit: () => {
        const left = [...this.#pools.values()].filter(({ name }) => !next.has(name))
        this.#pools = next
        this.balancers.clear()
        for (const [name, { balancer }] of next) this.balancers.set(name, balancer)
        for (const pool of opened) pool.start()
        for (const pool of left) this.#retire(pool)
      },
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values(), ...this.#leaving].map((pool) => pool.close()))
  }

  async #retire(pool: Pool): Promise<void> {
    this.#leaving.add(pool)
    await pool.retire()
    this.#leaving.delete(pool)
  }
}
