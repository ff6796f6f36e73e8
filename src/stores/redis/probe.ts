import { randomBytes } from 'node:crypto'
import type { Clock } from '../../balancer/time/clock.js'
import type { Client } from './client.js'
import { Script } from './script.js'
import { StoreTime } from './store-time.js'

/**
 * Asks the time, whether changes are taken, and for a message on the channel of this process. The key is never there, so
 * that nothing is changed.
 */
const script = new Script(`
local written = redis.pcall('DEL', KEYS[1])
if type(written) == 'table' and written.err and string.find(written.err, 'READONLY', 1, true) then
  return redis.error_reply('READONLY it is a replica')
end
redis.call('PUBLISH', ARGV[1], ARGV[2])
return redis.call('TIME')
`)

/** Asks a store whether it is there. */
export class Probe {
  readonly time = new StoreTime(() => performance.now(), Date.now())
  /** The channel on which the store is asked to say something, to see that messages come. */
  readonly channel: string
  readonly #clock: Clock
  readonly #key: string
  #expected: string | undefined
  #arrived = () => {}

  constructor(clock: Clock, key: (name: string) => string) {
    this.#clock = clock
    this.#key = key('probe')
    this.channel = key(`echo:${randomBytes(8).toString('hex')}`)
  }

  /** Asks over a connection that is new. Rejects where the store takes no changes, because it is a replica. */
  async first(client: Client): Promise<void> {
    await this.#ask((keys, args) => script.introduce(client, this.#clock, keys, args), '')
  }

  /**
   * Asks again. Rejects as {@link first} does.
   * @param onEcho called once, when the message has come that the store was asked for
   */
  async again(client: Client, onEcho: () => void): Promise<void> {
    const echo = randomBytes(8).toString('hex')
    this.#expected = echo
    this.#arrived = onEcho
    await this.#ask((keys, args) => script.run(client, this.#clock, keys, args), echo)
  }

  async #ask(run: (keys: string[], args: string[]) => Promise<unknown>, echo: string): Promise<void> {
    const askedAt = this.time.monotonic()
    const answer = await run([this.#key], [this.channel, echo])
    const [seconds, micros] = answer as [string, string]
    this.time.answered(Number(seconds) * 1000 + Number(micros) / 1000, askedAt)
  }

  /** Takes a message of the channel. */
  heard(echo: string): void {
    if (echo !== this.#expected) return
    this.#expected = undefined
    this.#arrived()
  }
}
