import type { Balancer } from '../../balancer/balancer.js'
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

  /** Ends all streams, and lets no new ones begin. */
  close(): void {
    this.#closed = true
    for (const feed of this.#feeds.values()) feed.close()
  }
}
