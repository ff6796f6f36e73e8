import type { PoolChange, PoolSnapshot } from '../../admin/contract/pool-events.js'
import { ApiError, call } from './api.js'
import type { Progress, Source } from './connection.js'
import { EventStreamParser } from './event-stream.js'

export interface PoolListener {
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

/** The event stream of a pool. */
export class PoolEvents implements Source {
  readonly #path: string
  readonly #listener: PoolListener
  /** Id of the last change that was read. At first it is 0, which asks for all changes that the gateway keeps. */
  #lastId = '0'

  /** @param path path of the stream */
  constructor(path: string, listener: PoolListener) {
    this.#path = path
    this.#listener = listener
  }

  /** Reads one stream until it ends. */
  async read(progress: Progress, stopped: AbortSignal): Promise<ApiError> {
    const silence = new AbortController()
    let timer = setTimeout(() => silence.abort(), SILENCE_TIMEOUT_MS)
    try {
      const { body } = await call('GET', this.#path, {
        headers: { 'last-event-id': this.#lastId },
        signal: AbortSignal.any([silence.signal, stopped]),
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
          if (stopped.aborted) return new ApiError(0, 'The page shows something else.')
          if (id !== undefined) this.#lastId = id
          if (type === 'change') {
            this.#listener.onChange(JSON.parse(data) as PoolChange, past)
          } else if (type === 'snapshot') {
            if (past) progress.live()
            past = false
            this.#listener.onSnapshot(JSON.parse(data) as PoolSnapshot)
            progress.shown()
          }
        }
      }
    } catch (error) {
      if (silence.signal.aborted) return new ApiError(0, 'The gateway is silent.')
      throw error
    } finally {
      clearTimeout(timer)
    }
  }
}
