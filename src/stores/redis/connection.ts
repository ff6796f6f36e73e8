import { EventEmitter } from 'node:events'
import type { Redis } from 'ioredis'
import type { Clock } from '../../balancer/time/clock.js'
import { openClient } from './client.js'
import type { Script } from './script.js'

/** The store did not answer, or the connection to it is lost. */
export class StoreAwayError extends Error {
  constructor(why: string) {
    super(`the store is away: ${why}`)
  }
}

export interface ConnectionEvents {
  /** The store does not answer any more. What is asked of it from now on fails at once. */
  away: [Error]
  /** The store answers, for the first time or again. Messages may have been missed. */
  back: []
}

/** Longest time that the store may take to answer. */
export const ANSWER_TIMEOUT_MS = 2500
/** How often the store is asked whether it is there. */
const PING_INTERVAL_MS = 1000

/** One connection to a Redis or Valkey server for commands, and one for messages. */
export class RedisConnection extends EventEmitter<ConnectionEvents> {
  readonly #clock: Clock
  readonly #commands: Redis
  readonly #messages: Redis
  readonly #listeners = new Map<string, Set<(message: string) => void>>()
  #isAway = true
  /** The store's time minus the time of the clock, in milliseconds. */
  #offset = 0
  #cancelPing = () => {}
  #isClosed = false

  private constructor(commands: Redis, messages: Redis, clock: Clock) {
    super()
    this.#commands = commands
    this.#messages = messages
    this.#clock = clock
    messages.on('message', (channel: string, message: string) => {
      for (const listener of this.#listeners.get(channel) ?? []) listener(message)
    })
  }

  /** Makes a connection, which is opened in the background: `back` tells that the store is there. */
  static async open(url: string, clock: Clock): Promise<RedisConnection> {
    const connection = new RedisConnection(await openClient(url), await openClient(url), clock)
    connection.#start()
    return connection
  }

  /** True while the store does not answer. */
  get isAway(): boolean {
    return this.#isAway
  }

  /** The time of the store in milliseconds since 1970, as far as this process can tell. */
  now(): number {
    return this.#clock.now() + this.#offset
  }

  /**
   * Runs a script in one atomic step.
   * @throws {StoreAwayError} at once while the store is away, and where it does not answer in time
   */
  async run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    if (this.#isAway) throw new StoreAwayError('it does not answer')
    return await this.#inTime(script.run(this.#commands, keys, args))
  }

  /** Sends a message to all who listen on the channel. A message that cannot be sent is lost. */
  publish(channel: string, message: string): void {
    if (!this.#isAway) this.#commands.publish(channel, message).catch(() => {})
  }

  /** Calls back with each message of a channel. Returns a function that ends the calls. */
  subscribe(channel: string, listener: (message: string) => void): () => void {
    const listeners = this.#listeners.get(channel) ?? new Set()
    if (listeners.size === 0 && !this.#isAway) this.#messages.subscribe(channel).catch(() => {})
    this.#listeners.set(channel, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size > 0 || !this.#listeners.delete(channel) || this.#isAway) return
      this.#messages.unsubscribe(channel).catch(() => {})
    }
  }

  close(): void {
    this.#isClosed = true
    this.#isAway = true
    this.#cancelPing()
    this.#commands.disconnect()
    this.#messages.disconnect()
  }

  #start(): void {
    for (const client of [this.#commands, this.#messages]) {
      // Without a listener an error would end the process.
      client.on('error', (error: Error) => this.#lost(error))
      client.on('close', () => this.#lost(new Error('the connection was closed')))
      client.on('ready', () => this.#look())
      client.connect().catch(() => {})
    }
  }

  /** Asks the store for its time, when both connections are there and then once a second. */
  #look(): void {
    this.#cancelPing()
    if (this.#commands.status !== 'ready' || this.#messages.status !== 'ready') return
    const asked = this.#clock.now()
    this.#inTime(this.#commands.time()).then(
      async ([seconds, micros]) => {
        const now = this.#clock.now()
        this.#offset = Number(seconds) * 1000 + Number(micros) / 1000 - (asked + now) / 2
        if (this.#isAway) {
          const channels = [...this.#listeners.keys()]
          if (channels.length > 0) await this.#inTime(this.#messages.subscribe(...channels))
          if (this.#isClosed) return
          this.#isAway = false
          this.emit('back')
        }
        this.#cancelPing = this.#clock.after(PING_INTERVAL_MS, () => this.#look())
      },
      (error) => this.#lost(error),
    )
  }

  #lost(error: Error): void {
    this.#cancelPing()
    for (const client of [this.#commands, this.#messages]) {
      if (!this.#isClosed && client.status === 'ready') client.disconnect(true)
    }
    if (this.#isAway) return
    this.#isAway = true
    this.emit('away', error)
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = new StoreAwayError(`it did not answer for ${ANSWER_TIMEOUT_MS} ms`)
      const cancel = this.#clock.after(ANSWER_TIMEOUT_MS, () => {
        reject(late)
        this.#lost(late)
      })
      work.then(resolve, reject).finally(cancel)
    })
  }
}
