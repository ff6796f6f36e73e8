import type { Balancer } from '../../balancer/balancer.js'
import type { ReloadOutcome } from '../contract/config.js'
import { Feed } from './feed.js'

/**
 * The event feeds, one for each pool. A feed exists from the start, because it keeps the latest changes for readers
 * that connect later.
 */
export class Feeds {
  readonly #feeds = new Map<Balancer, Feed>()
  #closed = false

  constructor(pools: readonly Balancer[]) {
    for (const pool of pools) this.of(pool)
  }

  of(pool: Balancer): Feed {
    let feed = this.#feeds.get(pool)
    if (!feed) {
      feed = new Feed(pool)
      if (this.#closed) feed.close()
      this.#feeds.set(pool, feed)
    }
    return feed
  }

  /**
   * Tells the readers of each pool that the configuration was loaded again. Pools that came with it get a feed, and the
   * streams of those that left it end.
   * @param pools the pools as they are now
   */
  reloaded(pools: readonly Balancer[], reload: ReloadOutcome): void {
    for (const [pool, feed] of [...this.#feeds]) {
      if (pools.includes(pool)) continue
      feed.close()
      this.#feeds.delete(pool)
    }
    for (const pool of pools) this.of(pool).tell('reload', { reload })
  }

  /** Ends all streams, and lets no new ones begin. */
  close(): void {
    this.#closed = true
    for (const feed of this.#feeds.values()) feed.close()
  }
}
