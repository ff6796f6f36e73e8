import { randomBytes } from 'node:crypto'
import type { SlotGrant, SlotRequest, SlotStore } from '../../balancer/fleet/slot-store.js'
import type { RedisConnection } from './connection.js'
import { slotsScript } from './slots-script.js'

type Connection = Pick<RedisConnection, 'run' | 'publish' | 'subscribe' | 'isAway' | 'on' | 'off' | 'key'>

/** A message to all gateways that it is worth asking for slots again. */
interface SlotNews {
  /** Name of the pool; left out for all backends of all pools. */
  pool?: string
  urls?: string[]
}

/** The slots that gateways share, in a Redis or Valkey server; see `slotsSource` for what is kept there. */
export class RedisSlots {
  readonly #connection: Connection
  #pools: RedisPoolSlots[] = []

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Returns the slots of the backends of one pool. Each call stands for another holder of slots. */
  forPool(name: string): SlotStore {
    const pool = new RedisPoolSlots(this.#connection, name)
    // A configuration that is loaded again may end pools for as long as the process runs.
    this.#pools = [...this.#pools.filter(({ isOver }) => !isOver), pool]
    return pool
  }

  /** Lets pools ask for slots, also again after {@link close}. */
  start(): void {
    for (const pool of this.#pools) pool.start()
  }

  /**
   * Gives back all slots of this gateway, before the connection is closed. Where that fails, their lease has to end.
   */
  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.leave()))
  }
}

class RedisPoolSlots implements SlotStore {
  readonly #connection: Connection
  /** The name of the hash, which is that of the channel as well. */
  readonly #key: string
  readonly #pool: string
  /** Names this holder of slots, and no other one that there ever was. */
  #token = newToken()
  #calls = 0
  /** The store's time of the latest answer; 0 before the first one. */
  #answeredAt = 0
  #hasLeft = false
  #isOver = false

  constructor(connection: Connection, pool: string) {
    this.#connection = connection
    this.#key = connection.key('slots')
    this.#pool = pool
  }

  /** True if its pool has ended, and asks for no more slots. */
  get isOver(): boolean {
    return this.#isOver
  }

  get isAway(): boolean {
    return this.#hasLeft || this.#connection.isAway
  }

  async lease(requests: readonly SlotRequest[]): Promise<SlotGrant[]> {
    const numbers = await this.#call('', requests)
    const urls: string[] = []
    const grants = requests.map(({ url }, i): SlotGrant => {
      const [slots = 0, share = 0, tells = 0] = numbers.slice(3 * i)
      if (tells === 1) urls.push(url)
      return { url, slots, share }
    })
    if (urls.length > 0) this.#tell({ pool: this.#pool, urls })
    return grants
  }

  onNews(listener: (urls?: readonly string[]) => void): () => void {
    const all = () => listener()
    const unsubscribe = this.#connection.subscribe(this.#key, (text) => {
      const news = readNews(text)
      if (!news) return
      if (news.pool === undefined) all()
      else if (news.pool === this.#pool) listener(news.urls)
    })
    this.#connection.on('back', all)
    this.#connection.on('missed', all)
    return () => {
      this.#isOver = true
      this.#connection.off('back', all)
      this.#connection.off('missed', all)
      unsubscribe()
    }
  }

  start(): void {
    if (!this.#hasLeft) return
    this.#hasLeft = false
    this.#token = newToken()
    this.#calls = 0
    this.#answeredAt = 0
  }

  /** Gives back all slots, and asks for no more. */
  async leave(): Promise<void> {
    const isThere = !this.isAway && this.#calls > 0
    this.#hasLeft = true
    if (!isThere) return
    await this.#call('leave', []).catch(() => {})
  }

  /** Runs the script. Returns the three numbers of each backend. */
  async #call(leaves: 'leave' | '', requests: readonly SlotRequest[]): Promise<number[]> {
    const backends = requests.flatMap(({ url, limit, held, needed, wanted }) => [
      url,
      limit,
      held,
      needed,
      wanted,
    ])
    const args = [this.#pool, this.#token, ++this.#calls, this.#answeredAt, leaves, ...backends]
    const answer = (await this.#connection.run(slotsScript, [this.#key], args)) as number[]
    const [now, isNew, ...numbers] = answer
    if (now === undefined) throw new Error('a later call was answered before')
    this.#answeredAt = now
    // Whoever has slots that this store knows nothing of should say so at once.
    if (isNew === 1) this.#tell({})
    return numbers
  }

  #tell(news: SlotNews): void {
    this.#connection.publish(this.#key, JSON.stringify(news))
  }
}

/** Makes a name that no other holder of slots ever has. */
function newToken(): string {
  return randomBytes(9).toString('base64url')
}

/** Returns undefined for a message that nobody of ours has sent. */
function readNews(text: string): SlotNews | undefined {
  let news: Record<keyof SlotNews, unknown> | null
  try {
    news = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof news !== 'object' || news === null) return undefined
  const { pool, urls } = news
  if (pool === undefined) return {}
  if (typeof pool !== 'string' || !Array.isArray(urls)) return undefined
  return { pool, urls: urls.filter((url) => typeof url === 'string') }
}
