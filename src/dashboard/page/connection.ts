import { ApiError } from './api.js'

/** State of the connection between the page and the gateway. */
export type ConnectionState =
  | { kind: 'connecting' }
  | { kind: 'live' }
  /** The connection is lost; the page tries again at `retryAt`, a time by Date.now() in milliseconds. */
  | { kind: 'lost'; reason: string; retryAt: number }
  /** The gateway requires a token, and the page has none or a wrong one. */
  | { kind: 'locked' }

/** How a source says how far it has come. */
export interface Progress {
  /** To be called once the gateway has responded as it should. */
  live(): void
  /** To be called whenever data has been shown, so that the next failure is followed by a quick attempt. */
  shown(): void
}

/** Something to read from the gateway for as long as it can be read. */
export interface Source {
  /** Reads until it fails or is told to stop. @returns why it ended */
  read(progress: Progress, stopped: AbortSignal): Promise<ApiError>
}

/**
 * Milliseconds before the first attempt to reconnect, and the most before later attempts. A random factor between 0.75
 * and 1.25 is applied to each delay.
 */
const FIRST_BACKOFF_MS = 1000
const MAX_BACKOFF_MS = 15_000

/** Reads a source until it is stopped, and connects again whenever the source fails. */
export class Connection {
  readonly #source: Source
  readonly #onState: (state: ConnectionState) => void
  readonly #stopped = new AbortController()
  #failures = 0
  #wake: (() => void) | undefined

  constructor(source: Source, onState: (state: ConnectionState) => void) {
    this.#source = source
    this.#onState = (state) => {
      if (!this.#stopped.signal.aborted) onState(state)
    }
  }

  /** Ends the wait for the next attempt, or for a token, and connects now. */
  retry(): void {
    this.#wake?.()
  }

  /** Ends the connection for good. */
  stop(): void {
    this.#stopped.abort()
    this.#wake?.()
  }

  async run(): Promise<void> {
    const { signal } = this.#stopped
    while (!signal.aborted) {
      const error = await this.#read()
      if (signal.aborted) return
      if (error.status === 401) {
        this.#onState({ kind: 'locked' })
        await this.#pause(undefined)
        continue
      }
      const wait =
        Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.#failures) * (0.75 + Math.random() / 2)
      this.#failures++
      this.#onState({ kind: 'lost', reason: error.message, retryAt: Date.now() + wait })
      await this.#pause(wait)
    }
  }

  async #read(): Promise<ApiError> {
    const progress = {
      live: () => this.#onState({ kind: 'live' }),
      shown: () => {
        this.#failures = 0
      },
    }
    try {
      return await this.#source.read(progress, this.#stopped.signal)
    } catch (error) {
      return error instanceof ApiError ? error : new ApiError(0, 'The connection broke.')
    }
  }

  #pause(milliseconds: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = milliseconds === undefined ? undefined : setTimeout(() => this.#wake?.(), milliseconds)
      this.#wake = () => {
        clearTimeout(timer)
        this.#wake = undefined
        this.#onState({ kind: 'connecting' })
        resolve()
      }
    })
  }
}
