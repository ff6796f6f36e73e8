import { hash } from 'node:crypto'
import { inBackground } from '../../balancer/time/background.js'
import type { RateCount, RateLimitCounter } from '../../limits/rate-limit-counter.js'
import type { RedisConnection } from './connection.js'
import { Script } from './script.js'

/** Largest number of requests that one script counts: it runs for less than a millisecond, in which the store waits. */
const MAX_BATCH = 500
/** Characters of a hash in a key, which are 132 bits: two keys do not share one by chance. */
const HASH_CHARACTERS = 22

/** Counts a request for each key. The windows are the arguments; the result has the count and its time to live of each. */
const count = new Script(`
local counts = {}
for i, key in ipairs(KEYS) do
  local current = redis.call('INCR', key)
  local ttl = redis.call('PTTL', key)
  if ttl < 0 then
    ttl = tonumber(ARGV[i])
    redis.call('PEXPIRE', key, ttl)
  end
  counts[2 * i - 1] = current
  counts[2 * i] = ttl
end
return counts
`)

/** Reads the count of a key and its time to live; an empty result where there is none. */
const read = new Script(`
local current = redis.call('GET', KEYS[1])
if not current then return {} end
return { tonumber(current), redis.call('PTTL', KEYS[1]) }
`)

/** Requests that are counted in one round trip. */
interface Batch {
  readonly keys: string[]
  readonly windows: number[]
  readonly waits: { resolve(count: RateCount): void; reject(reason: unknown): void }[]
}

/**
 * Counts requests in a Redis or Valkey server, so that all gateways that use it count together. The windows are those of
 * the server's clock, and a key is gone from the server with its window. Requests of one turn of the event loop are
 * counted in one round trip.
 */
export class RedisCounter implements RateLimitCounter {
  readonly #connection: Pick<RedisConnection, 'run' | 'key'>
  readonly #prefix: string
  #batch: Batch | undefined

  constructor(connection: Pick<RedisConnection, 'run' | 'key'>) {
    this.#connection = connection
    this.#prefix = connection.key('rate:')
  }

  /** Rejects where the store is away, or refuses the count. */
  increment(key: string, window: number): Promise<RateCount> {
    const batch = this.#batch ?? this.#begin()
    batch.keys.push(this.#keyOf(key))
    batch.windows.push(window)
    return new Promise((resolve, reject) => {
      batch.waits.push({ resolve, reject })
      if (batch.waits.length === MAX_BATCH) this.#send(batch)
    })
  }

  /**
   * Returns the count of a key without counting; undefined where its window is over or has not begun. Rejects as
   * `increment` does.
   */
  async peek(key: string): Promise<RateCount | undefined> {
    const [current, ttl] = (await this.#connection.run(read, [this.#keyOf(key)], [])) as number[]
    return current === undefined ? undefined : rateCount(current, ttl as number)
  }

  /** The server is told no client's address and no value of a field, only a hash. */
  #keyOf(key: string): string {
    return `${this.#prefix}${hash('sha256', key, 'base64url').slice(0, HASH_CHARACTERS)}`
  }

  #begin(): Batch {
    const batch: Batch = { keys: [], windows: [], waits: [] }
    this.#batch = batch
    // What comes in on other connections in this turn is read before immediates run.
    inBackground(setImmediate, () => this.#send(batch))
    return batch
  }

  /** Sends a batch, unless it has been sent because it was full. */
  async #send(batch: Batch): Promise<void> {
    if (this.#batch !== batch) return
    this.#batch = undefined
    const { keys, windows, waits } = batch
    try {
      const counts = (await this.#connection.run(count, keys, windows)) as number[]
      for (const [i, { resolve }] of waits.entries())
        resolve(rateCount(counts[2 * i] as number, counts[2 * i + 1] as number))
    } catch (error) {
      for (const { reject } of waits) reject(error)
    }
  }
}

/** A key in the last millisecond of its window has a time to live of 0. */
function rateCount(current: number, ttl: number): RateCount {
  return { current, ttl: Math.max(1, ttl) }
}
