import type { Clock } from '../../balancer/time/clock.js'
import type { Client, MakeClient } from './client.js'
import { inWords, StoreAwayError } from './failures.js'

/** Longest time until a connection is made, the user is logged in, and the first question is answered. */
const ATTEMPT_TIMEOUT_MS = 8000
/** Pause after the first connection that failed; each further pause is twice as long. */
const FIRST_PAUSE_MS = 50
const MAX_PAUSE_MS = 2000
/** A connection that lasts this long was a good one: the pauses begin with the shortest again. */
const GOOD_AFTER_MS = 5000

export interface LinkListener {
  /** Asks what must be answered before the connection is used. */
  check(client: Client): Promise<unknown>
  /** The connection can be used. */
  up(): void
  /** The connection is lost, or could not be made. */
  down(error: StoreAwayError): void
  /** A message of a channel has come. */
  message?(channel: string, message: string): void
}

/**
 * Keeps one connection to a store: makes another one where it is lost, one at a time, with growing pauses. Each
 * connection has a client of its own, as a client that is used again would have to be left in a state that is known.
 */
export class Link {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #listener: LinkListener
  #makeClient: MakeClient | undefined
  #client: Client | undefined
  #isUp = false
  #failures = 0
  #cancel = () => {}

  constructor(clock: Clock, listener: LinkListener, random: () => number = Math.random) {
    this.#clock = clock
    this.#listener = listener
    this.#random = random
  }

  /** The client; undefined while there is no connection that can be used. */
  get client(): Client | undefined {
    return this.#isUp ? this.#client : undefined
  }

  open(makeClient: MakeClient): void {
    if (this.#makeClient) return
    this.#makeClient = makeClient
    this.#failures = 0
    this.#connect(makeClient)
  }

  /** Gives the present connection up and makes another one. */
  fail(error: Error): void {
    if (this.#client) this.#failed(this.#client, error)
  }

  /** Ends the connection; nothing of it is left once the other side has closed it, or after 50 ms. */
  close(): void {
    this.#makeClient = undefined
    this.#drop()
  }

  #connect(makeClient: MakeClient): void {
    let client: Client
    try {
      client = makeClient()
    } catch (error) {
      // Options of an app's client may contradict ours.
      this.#pause(error as Error)
      return
    }
    this.#client = client
    let reason: Error | undefined
    // An emitter without a listener for this event would end the process.
    client.on('error', (error: Error) => {
      reason ??= error
    })
    // A node of a cluster that cannot be reached is no error of the client.
    client.on('node error', (error: Error) => {
      reason ??= error
    })
    client.on('end', () => this.#failed(client, reason ?? new Error('the connection was closed')))
    client.on('message', (channel: string, message: string) => {
      if (client === this.#client) this.#listener.message?.(channel, message)
    })
    this.#cancel = this.#clock.after(ATTEMPT_TIMEOUT_MS, () =>
      this.#failed(client, reason ?? new Error(`it did not answer for ${ATTEMPT_TIMEOUT_MS} ms`)),
    )
    client
      .connect()
      .then(() => this.#listener.check(client))
      .then(
        () => {
          reason = undefined
          this.#connected(client)
        },
        (error) => this.#failed(client, reason ?? error),
      )
  }

  #connected(client: Client): void {
    if (client !== this.#client) return
    this.#cancel()
    this.#isUp = true
    this.#cancel = this.#clock.after(GOOD_AFTER_MS, () => {
      this.#failures = 0
    })
    this.#listener.up()
  }

  #failed(client: Client, error: Error): void {
    if (client !== this.#client) return
    this.#drop()
    this.#pause(error)
  }

  #pause(error: Error): void {
    const longest = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(this.#failures++, 10), MAX_PAUSE_MS)
    // Gateways that have lost the store at the same time should not come back at the same time.
    const pause = longest * (0.5 + this.#random() / 2)
    this.#cancel = this.#clock.after(pause, () => {
      if (this.#makeClient) this.#connect(this.#makeClient)
    })
    const why = error instanceof StoreAwayError ? error.why : inWords(error).message
    this.#listener.down(new StoreAwayError(why))
  }

  #drop(): void {
    this.#cancel()
    this.#isUp = false
    const client = this.#client
    this.#client = undefined
    client?.disconnect()
  }
}
