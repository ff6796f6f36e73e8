import type { Clock } from '../../balancer/time/clock.js'
import type { RedisConnection } from './connection.js'
import { revisionsScript } from './pool-state-scripts.js'

/** How often the store is asked for the revisions of all pools, because messages may be lost. */
const ASK_INTERVAL_MS = 1000

interface Watched {
  pool: string
  key: string
  heard(revision: string): void
}

/** Hears of the revisions that the store has: by messages at once, and by asking for those of all pools together. */
export class RevisionWatch {
  /** The channel on which a gateway that has written tells the others. */
  readonly channel: string
  readonly #connection: RedisConnection
  readonly #clock: Clock
  readonly #watched = new Set<Watched>()
  #cancel = () => {}
  #stop = () => {}

  constructor(connection: RedisConnection, clock: Clock) {
    this.#connection = connection
    this.#clock = clock
    this.channel = connection.key('revisions')
  }

  /** Returns what is said of a pool that has another revision. */
  messageOf(pool: string, revision: string): string {
    return `${revision} ${pool}`
  }

  /**
   * Calls back with each revision of a pool that is heard, which often is the one that is known; it is empty where the
   * store has nothing. Returns a function that ends the calls.
   */
  watch(pool: string, key: string, heard: (revision: string) => void): () => void {
    const watched = { pool, key, heard }
    if (this.#watched.size === 0) this.#start()
    this.#watched.add(watched)
    return () => {
      if (this.#watched.delete(watched) && this.#watched.size === 0) this.#end()
    }
  }

  #start(): void {
    const ask = () => this.#ask()
    const unsubscribe = this.#connection.subscribe(this.channel, (message) => this.#told(message))
    this.#connection.on('back', ask)
    this.#connection.on('missed', ask)
    this.#stop = () => {
      unsubscribe()
      this.#connection.off('back', ask)
      this.#connection.off('missed', ask)
    }
    this.#cancel = this.#clock.after(ASK_INTERVAL_MS, ask)
  }

  #end(): void {
    this.#stop()
    this.#cancel()
  }

  #told(message: string): void {
    const space = message.indexOf(' ')
    const pool = message.slice(space + 1)
    for (const watched of this.#watched) {
      if (watched.pool === pool) watched.heard(message.slice(0, space))
    }
  }

  #ask(): void {
    this.#cancel()
    this.#cancel = this.#clock.after(ASK_INTERVAL_MS, () => this.#ask())
    if (this.#connection.isAway) return
    const asked = [...this.#watched]
    this.#connection
      .run(
        revisionsScript,
        asked.map(({ key }) => key),
        [],
      )
      .then(
        (revisions) => {
          for (const [i, watched] of asked.entries()) {
            if (this.#watched.has(watched)) watched.heard((revisions as string[])[i] as string)
          }
        },
        // The store is away, or says why to whoever writes.
        () => {},
      )
  }
}
