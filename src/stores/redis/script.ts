import { createHash } from 'node:crypto'
import type { Clock } from '../../balancer/time/clock.js'
import type { Client } from './client.js'
import { replyCode, StoreAwayError } from './failures.js'

/** Longest time that the store may take to answer one command. */
export const ANSWER_TIMEOUT_MS = 2000

/** A Lua script, which the server runs in one atomic step. Its source is sent only where the server does not know it. */
export class Script {
  readonly #source: string
  /** What the server knows it by. */
  readonly #hash: string

  constructor(source: string) {
    this.#source = source
    this.#hash = createHash('sha1').update(source).digest('hex')
  }

  /**
   * Runs the script, once at the most.
   * @throws {StoreAwayError} where there is no answer in time, and what the client rejects with
   */
  async run(
    client: Client,
    clock: Clock,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    try {
      return await inTime(clock, client.evalsha(this.#hash, keys.length, ...keys, ...args))
    } catch (error) {
      if (replyCode(error as Error) !== 'NOSCRIPT') throw error
      return await this.introduce(client, clock, keys, args)
    }
  }

  /** Runs the script with its source, which is faster than {@link run} where the server has probably not seen it. */
  async introduce(
    client: Client,
    clock: Clock,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    return await inTime(clock, client.eval(this.#source, keys.length, ...keys, ...args))
  }
}

/** Rejects where an answer takes too long. */
function inTime<T>(clock: Clock, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ANSWER_TIMEOUT_MS, () =>
      reject(new StoreAwayError(`it did not answer for ${ANSWER_TIMEOUT_MS} ms`, true)),
    )
    answer.then(resolve, reject).finally(cancel)
  })
}
