// Over 200 lines: when the store is away and when it is back must be read in one place.
import { GuardedEmitter, ObserverGuard, warn } from '../../balancer/observer-guard.js'
import type { Clock } from '../../balancer/time/clock.js'
import { Channels } from './channels.js'
import { type Client, type ConnectionTarget, clientsOf } from './client.js'
import { inWords, isConnectionLost, StoreAwayError } from './failures.js'
import { Link } from './link.js'
import { Probe } from './probe.js'
import { ANSWER_TIMEOUT_MS, type Script } from './script.js'
import { parseStoreUrl } from './url.js'

export { StoreAwayError } from './failures.js'

export interface ConnectionEvents {
  /** The store does not answer any more, or could not be reached. What is asked of it from now on fails at once. */
  away: [StoreAwayError]
  /** The store answers, for the first time or again. Messages may have been missed. */
  back: []
  /** Messages may have been missed, although the store was not away. */
  missed: []
}

/** Longest time until a store must have answered that was not asked before. */
const FIRST_ANSWER_MS = 5000
/** The store counts as away after this long without a connection for messages. */
const MESSAGES_LOST_MS = 2000
/** Pause between an answer to the question whether the store is there, and the next question. */
const PROBE_INTERVAL_MS = 400

/**
 * A Redis or Valkey server, as all pools of this process reach it: one connection for commands, and one for messages.
 * The store is away while one of them is not there; but the connection for messages may be made again without that.
 */
export class RedisConnection extends GuardedEmitter<ConnectionEvents> {
  /** Where the store is, for people: without user and password. */
  readonly displayed: string
  readonly #target: ConnectionTarget
  readonly #clock: Clock
  readonly #probe: Probe
  readonly #commands: Link
  readonly #messages: Link
  readonly #channels: Channels
  /** The work of opening the connection; undefined while it is closed. */
  #starting: Promise<void> | undefined
  #isAway = true
  /** Why the store is away; undefined where it was not asked yet. */
  #reason: StoreAwayError | undefined
  /** Why messages do not come, last; undefined while none can be missed. */
  #missing: StoreAwayError | undefined
  #cancelProbe = () => {}
  #cancelAway = () => {}

  constructor(target: ConnectionTarget, clock: Clock) {
    super(new ObserverGuard(warn))
    this.displayed = target.displayed
    this.#target = target
    this.#clock = clock
    const probe = new Probe(clock, (name) => this.key(name))
    this.#probe = probe
    this.#commands = new Link(clock, {
      check: (client) => probe.first(client),
      up: () => this.#look(),
      down: (error) => {
        this.#lost(error)
        // What has happened to one connection has probably happened to the other.
        if (this.#messages.client) this.#messages.fail(error)
      },
    })
    this.#messages = new Link(clock, {
      check: (client) => client.subscribe(probe.channel, ...this.#channels.names),
      up: () => this.#look(),
      down: (error) => this.#messagesLost(error),
      message: (channel, message) => {
        if (channel === probe.channel) probe.heard(message)
        else this.#channels.heard(channel, message)
      },
    })
    this.#channels = new Channels(this.#messages)
  }

  /** Makes a connection, and opens it in the background: `back` tells that the store is there. */
  static async open(url: string, clock: Clock): Promise<RedisConnection> {
    const address = parseStoreUrl(url)
    const connection = new RedisConnection({ ...address, address }, clock)
    await connection.start()
    return connection
  }

  /** True while the store does not answer. */
  get isAway(): boolean {
    return this.#isAway
  }

  /** Why the store is away; undefined while it is there, and before it was asked for the first time. */
  get reason(): StoreAwayError | undefined {
    return this.#isAway ? this.#reason : undefined
  }

  /** Returns a key or a channel of this prefix. All of them are in one slot of a cluster. */
  key(name: string): string {
    return `{${this.#target.prefix}}:${name}`
  }

  /**
   * The time of the store in milliseconds since 1970, as far as this process can tell: before the first answer the time
   * of this machine. It goes on while this process is stopped, unlike timers.
   */
  now(): number {
    return this.#probe.time.now()
  }

  /**
   * Opens the connection, also again after it was closed. Does nothing where it is open.
   * @throws {Error} if the package ioredis, which is optional, is not installed
   */
  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  /** Opens the connection, and resolves once the store is there. Rejects once it is known to be away. */
  async ready(): Promise<void> {
    await this.start()
    if (!this.#isAway) return
    if (this.#reason) throw this.#reason
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: StoreAwayError) => {
        this.off('away', settle)
        this.off('back', settle)
        cancel()
        if (error) reject(error)
        else resolve()
      }
      const cancel = this.#clock.after(FIRST_ANSWER_MS, () =>
        settle(new StoreAwayError(`it did not answer for ${FIRST_ANSWER_MS} ms`)),
      )
      this.on('away', settle)
      this.on('back', settle)
    })
  }

  /**
   * Runs a script in one atomic step, once at the most.
   * @throws {StoreAwayError} at once while the store is away, and where it does not answer in time
   */
  async run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    const client = this.#commands.client
    if (this.#isAway || !client) throw this.#reason ?? new StoreAwayError('it was not reached yet')
    try {
      return await script.run(client, this.#clock, keys, args)
    } catch (error) {
      throw this.#judged(client, error as Error)
    }
  }

  /** Sends a message to all who listen on the channel. A message that cannot be sent is lost. */
  publish(channel: string, message: string): void {
    const client = this.#commands.client
    if (this.#isAway || !client) return
    client.publish(channel, message).catch((error) => this.#judged(client, error))
  }

  /** Calls back with each message of a channel. Returns a function that ends the calls. */
  subscribe(channel: string, listener: (message: string) => void): () => void {
    return this.#channels.listen(channel, listener)
  }

  /** Closes the connection. What was asked and not answered fails. */
  close(): void {
    this.#starting = undefined
    this.#isAway = true
    this.#reason = new StoreAwayError('the connection is closed')
    this.#cancelProbe()
    this.#cancelAway()
    this.#commands.close()
    this.#messages.close()
  }

  async #start(): Promise<void> {
    this.#reason = undefined
    try {
      const makeClient = await clientsOf(this.#target)
      // It may have been closed meanwhile.
      if (!this.#starting) return
      this.#commands.open(makeClient)
      this.#messages.open(makeClient)
    } catch (error) {
      this.#starting = undefined
      this.#reason = new StoreAwayError((error as Error).message)
      throw error
    }
  }

  /** Returns the error for whoever asked, and gives up a connection that leads nowhere. */
  #judged(client: Client, error: Error): Error {
    const isReply = error.name === 'ReplyError'
    if (isReply && !isConnectionLost(error)) return inWords(error)
    if (client === this.#commands.client) this.#commands.fail(error)
    return error instanceof StoreAwayError ? error : new StoreAwayError(inWords(error).message, !isReply)
  }

  /** Sees, once both connections are there and from then on all the time, whether both of them work. */
  #look(): void {
    this.#cancelProbe()
    const client = this.#commands.client
    if (!client || !this.#messages.client) return
    let missing = 2
    const arrived = () => {
      if (--missing > 0 || client !== this.#commands.client || !this.#messages.client) return
      this.#cancelProbe()
      this.#cancelProbe = this.#clock.after(PROBE_INTERVAL_MS, () => this.#look())
      this.#works()
    }
    this.#cancelProbe = this.#clock.after(2 * ANSWER_TIMEOUT_MS, () =>
      this.#messages.fail(new StoreAwayError('its messages do not come')),
    )
    this.#probe.again(client, arrived).then(arrived, (error) => {
      if (client === this.#commands.client) this.#commands.fail(error)
    })
  }

  #works(): void {
    this.#cancelAway()
    const event = this.#isAway ? 'back' : this.#missing ? 'missed' : undefined
    this.#isAway = false
    this.#reason = undefined
    this.#missing = undefined
    if (event) this.announce(event)
  }

  #messagesLost(error: StoreAwayError): void {
    this.#cancelProbe()
    const isFirst = !this.#isAway && !this.#missing
    if (this.#isAway) this.#lost(error)
    else this.#missing = error
    if (!isFirst) return
    // Gateways can do without messages for a while, because each change is found by asking as well.
    this.#cancelAway = this.#clock.after(MESSAGES_LOST_MS, () => this.#lost(this.#missing ?? error))
  }

  #lost(error: StoreAwayError): void {
    this.#cancelProbe()
    this.#cancelAway()
    const isNew = !this.#isAway || !this.#reason
    this.#isAway = true
    this.#reason = error
    if (isNew) this.announce('away', error)
  }
}
