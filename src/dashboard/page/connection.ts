import type { PoolChange, PoolSnapshot } from '../../admin/contract/pool-events.js'
import { ApiError, call } from './api.js'
import { EventStreamParser } from './event-stream.js'

/** State of the connection between the page and the gateway. */
export type ConnectionState =
  | { kind: 'connecting' }
  | { kind: 'live' }
  /** The connection is lost; the page tries again at `retryAt`, a time by Date.now() in milliseconds. */
  | { kind: 'lost'; reason: string; retryAt: number }
  /** The gateway requires a token, and the page has none or a wrong one. */
  | { kind: 'locked' }

export interface ConnectionListener {
  onState(state: ConnectionState): void
  onSnapshot(snapshot: PoolSnapshot): void
  /**
   * Called for each change of a backend or the pool.
   * @param past true if the change happened before this connection was made
   */
  onChange(change: PoolChange, past: boolean): void
}

/**
 * Milliseconds without any data after which the connection counts as lost. The gateway sends a snapshot each second.
 */
const SILENCE_TIMEOUT_MS = 5000
/**
 * Milliseconds before the first attempt to reconnect, and the most before later attempts. A random factor between 0.75
 * and 1.25 is applied to each delay.
 */
const FIRST_BACKOFF_MS = 1000
const MAX_BACKOFF_MS = 15_000

/** Reads the event stream for as long as the page is open, and connects again whenever the stream ends. */
export class Connection {
  readonly #listener: ConnectionListener
  /** Id of the last change that was read. At first it is 0, which asks for all changes that the gateway keeps. */
  #lastId = '0'
  #failures = 0
  #wake: (() => void) | undefined

  constructor(listener: ConnectionListener) {
    this.#listener = listener
  }

  /** Ends the wait for the next attempt, or for a token, and connects now. */
  retry(): void {
    this.#wake?.()
  }

  async run(): Promise<never> {
    for (;;) {
      const error = await this.#read()
      if (error.status === 401) {
        this.#listener.onState({ kind: 'locked' })
        await this.#pause(undefined)
        continue
      }
      const wait =
        Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.#failures) * (0.75 + Math.random() / 2)
      this.#failures++
      this.#listener.onState({ kind: 'lost', reason: error.message, retryAt: Date.now() + wait })
      await this.#pause(wait)
    }
  }

  /** Reads one stream until it ends, and returns the reason why it ended. */
  async #read(): Promise<ApiError> {
    const silence = new AbortController()
    let timer = setTimeout(() => silence.abort(), SILENCE_TIMEOUT_MS)
    try {
      const { body } = await call('GET', 'events', {
        headers: { 'last-event-id': this.#lastId },
        signal: silence.signal,
        timeout: Number.POSITIVE_INFINITY,
      })
      const parser = new EventStreamParser()
      const reader = (body as ReadableStream<Uint8Array>).getReader()
      const decoder = new TextDecoder()
      let past = true
      for (;;) {
        const { value, done } = await reader.read()
        if (done) return new ApiError(0, 'The gateway ended the connection.')
        clearTimeout(timer)
        timer = setTimeout(() => silence.abort(), SILENCE_TIMEOUT_MS)
        for (const { id, type, data } of parser.push(decoder.decode(value, { stream: true }))) {
          if (id !== undefined) this.#lastId = id
          if (type === 'change') {
            this.#listener.onChange(JSON.parse(data) as PoolChange, past)
          } else if (type === 'snapshot') {
            if (past) this.#listener.onState({ kind: 'live' })
            past = false
            this.#listener.onSnapshot(JSON.parse(data) as PoolSnapshot)
            this.#failures = 0
          }
        }
      }
    } catch (error) {
      if (silence.signal.aborted) return new ApiError(0, 'The gateway is silent.')
      return error instanceof ApiError ? error : new ApiError(0, 'The connection broke.')
    } finally {
      clearTimeout(timer)
    }
  }

  #pause(milliseconds: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = milliseconds === undefined ? undefined : setTimeout(() => this.#wake?.(), milliseconds)
      this.#wake = () => {
        clearTimeout(timer)
        this.#wake = undefined
        this.#listener.onState({ kind: 'connecting' })
        resolve()
      }
    })
  }
}
