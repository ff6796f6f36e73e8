import type { CountedPool, CountsExchange } from '../../balancer/fleet/counts-exchange.js'
import type { Clock } from '../../balancer/time/clock.js'
import type { RedisConnection } from './connection.js'
import {
  askMessage,
  entriesOf,
  headOf,
  type MessageHead,
  messagesOf,
  type PoolEntry,
} from './counts-message.js'
import { HeardGateway } from './heard-counts.js'
import type { Membership } from './membership.js'
import { ToldCounts } from './told-counts.js'

/** Shortest time between two messages of this gateway. */
const TELL_INTERVAL_MS = 200
/** Time after which all counts are told, whether they have changed or not. */
const REPEAT_INTERVAL_MS = 1000
/**
 * Counts that arrive later are not taken, as if nothing had been heard: gateways that choose by them would all send to
 * the backends that were idle a while ago (Mitzenmacher, How Useful Is Old Information?).
 */
const MAX_AGE_MS = 750

type Connection = Pick<RedisConnection, 'key' | 'now' | 'publish' | 'subscribe' | 'isAway' | 'on' | 'off'>
type Members = Pick<Membership, 'instance' | 'isOther' | 'on' | 'off'>

/** Tells the other gateways how many requests are in flight in all pools of this one, and hears the same of them. */
export class CountsChannel {
  readonly #connection: Connection
  readonly #members: Members
  readonly #clock: Clock
  readonly #channel: string
  readonly #pools = new Map<string, { pool: CountedPool; told: ToldCounts }>()
  /** What is to be told of pools that have ended. */
  #ended: PoolEntry[] = []
  readonly #gateways = new Map<string, HeardGateway>()
  #messages = 0
  #tables = 0
  /** Times at which all counts, and tables, were told last. */
  #repeatedAt = Number.NEGATIVE_INFINITY
  #tablesAt = Number.NEGATIVE_INFINITY
  #areTablesDue = true
  #askedAt = Number.NEGATIVE_INFINITY
  #cancelTick = (): void => {}
  #end: (() => void) | undefined

  constructor(connection: Connection, members: Members, clock: Clock) {
    this.#connection = connection
    this.#members = members
    this.#clock = clock
    this.#channel = connection.key('counts')
  }

  /** Tells and hears from now on, also again after it was closed. Does nothing where it has begun. */
  start(): void {
    if (this.#end) return
    const connection = this.#connection
    const unsubscribe = connection.subscribe(this.#channel, (message) => this.#heard(message))
    connection.on('back', this.#begin)
    connection.on('missed', this.#begin)
    this.#members.on('announced', this.#begin)
    this.#members.on('gone', this.#gone)
    this.#tickLater()
    this.#end = () => {
      this.#end = undefined
      this.#cancelTick()
      unsubscribe()
      connection.off('back', this.#begin)
      connection.off('missed', this.#begin)
      this.#members.off('announced', this.#begin)
      this.#members.off('gone', this.#gone)
      for (const instance of [...this.#gateways.keys()]) this.#gone(instance)
    }
  }

  /** Requests in flight here, in all pools. */
  get inFlight(): number {
    let sum = 0
    for (const { pool } of this.#pools.values())
      for (const count of pool.counts().inFlight.values()) sum += count
    return sum
  }

  /** Returns the exchange of one pool. */
  forPool(name: string): CountsExchange {
    return { join: (pool) => this.#join(name, pool) }
  }

  /** Tells and hears no more. The others forget the counts when this gateway leaves them, or its lease is over. */
  close(): void {
    this.#end?.()
  }

  #join(name: string, pool: CountedPool): () => void {
    const part = { pool, told: new ToldCounts(name, () => ++this.#tables) }
    this.#pools.set(name, part)
    this.#ended = this.#ended.filter((entry) => entry.pool !== name)
    this.#ask()
    return () => {
      if (this.#pools.get(name) !== part) return
      this.#pools.delete(name)
      this.#ended.push(part.told.ended())
    }
  }

  /** Others may know nothing of what was told here before, and the other way round. */
  readonly #begin = (): void => {
    this.#areTablesDue = true
    this.#askedAt = Number.NEGATIVE_INFINITY
    this.#ask()
  }

  readonly #gone = (instance: string): void => {
    this.#gateways.delete(instance)
    for (const { pool } of this.#pools.values()) pool.left(instance)
  }

  #tickLater(): void {
    this.#cancelTick = this.#clock.after(TELL_INTERVAL_MS, () => {
      this.#tickLater()
      if (!this.#connection.isAway) this.#tell()
    })
  }

  #tell(): void {
    const now = this.#clock.now()
    const isRepeatDue = now - this.#repeatedAt >= REPEAT_INTERVAL_MS
    const areTablesDue = this.#areTablesDue && now - this.#tablesAt >= REPEAT_INTERVAL_MS
    const all = areTablesDue ? 'tables' : isRepeatDue ? 'counts' : undefined
    if (all) this.#repeatedAt = now
    if (areTablesDue) {
      this.#tablesAt = now
      this.#areTablesDue = false
    }
    const entries = this.#ended
    this.#ended = []
    for (const { pool, told } of this.#pools.values()) {
      const entry = told.entry(pool.counts(), all)
      if (entry) entries.push(entry)
    }
    const { instance } = this.#members
    for (const message of messagesOf(instance, this.#connection.now(), entries, () => ++this.#messages)) {
      this.#connection.publish(this.#channel, message)
    }
  }

  /** Asks the others for their tables, which they send once for all who ask at a time. */
  #ask(): void {
    const now = this.#clock.now()
    if (this.#connection.isAway || now - this.#askedAt < REPEAT_INTERVAL_MS) return
    this.#askedAt = now
    this.#connection.publish(this.#channel, askMessage(this.#members.instance))
  }

  #heard(message: string): void {
    const head = headOf(message)
    if (!head || head.instance === this.#members.instance) return
    if (Number.isNaN(head.number)) this.#areTablesDue = true
    // Who has no lease may be anybody.
    else if (this.#members.isOther(head.instance)) this.#take(head, entriesOf(message, head))
  }

  #take({ instance, number, time }: MessageHead, entries: readonly PoolEntry[]): void {
    const gateway = this.#gateways.get(instance) ?? new HeardGateway(instance)
    this.#gateways.set(instance, gateway)
    if (!gateway.isLater(number)) return
    const isLate = Math.abs(this.#connection.now() - time) > MAX_AGE_MS
    for (const entry of entries) {
      const part = this.#pools.get(entry.pool)
      if (!part) continue
      const counts = gateway.counts(entry)
      if (!counts) this.#ask()
      else if (!isLate) part.pool.heard(counts)
    }
  }
}
