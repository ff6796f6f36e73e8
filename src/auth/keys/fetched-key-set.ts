import type { Clock } from '../../balancer/time/clock.js'
import { fetchKeys } from './fetch-keys.js'
import type { KeySet, NoKeys, PublicJwk } from './key-set-source.js'

/** Keys are fetched again after this part of their lifetime, from 0 to 1, so that there is time for several tries. */
const REFRESH_AFTER = 0.8
/** Shortest time between two fetches for a token that names an unknown key. */
const UNKNOWN_KEY_INTERVAL_MS = 30_000
/** How long keys are used while they cannot be fetched again. */
const MAX_STALE_MS = 86_400_000
/** Pause after the first fetch that failed. It is doubled with each further one. */
const FIRST_PAUSE_MS = 1000
/** Longest pause while there are no keys, and requests are refused for it. */
const MAX_PAUSE_WITHOUT_KEYS_MS = 8000
/** Longest pause while the last keys are still in use. */
const MAX_PAUSE_WITH_KEYS_MS = 60_000

export interface FetchedKeySetOptions {
  url: string
  clock: Clock
  /** Longest time for one fetch, in milliseconds. */
  timeout: number
  /** Returns the revision of keys that are new. */
  nextRevision(): number
  observer: KeySetObserver
}

export interface KeySetObserver {
  /** The keys have changed; undefined where there are none any more. */
  onChange(keySet: KeySet | undefined): void
  /** The keys could not be fetched. Called once until they are fetched again. */
  onFailed(reason: string, hasKeys: boolean): void
  /** The keys were fetched again after they could not be. */
  onRecovered(): void
}

/** The keys of one URL: fetched before they expire, and kept while they cannot be. */
export class FetchedKeySet {
  readonly #options: FetchedKeySetOptions
  readonly #closing = new AbortController()
  #keySet: KeySet | undefined
  /** Wall-clock milliseconds of the last fetch that succeeded: a machine that sleeps must not lengthen the time. */
  #fetchedAt = 0
  /** Fetches that have failed since the last one that succeeded. */
  #failures = 0
  #fetching: Promise<void> | undefined
  #cancelTimer: (() => void) | undefined
  /** When the next fetch begins, by the running time in milliseconds. */
  #nextAt = 0
  /** Running time in milliseconds of the last fetch for a token that names an unknown key. */
  #askedForAt = Number.NEGATIVE_INFINITY

  constructor(options: FetchedKeySetOptions) {
    this.#options = options
  }

  get current(): KeySet | undefined {
    return this.#keySet
  }

  /** The keys. Only the first fetch is waited for: after one that failed, a request would wait for nothing. */
  async get(): Promise<KeySet | NoKeys> {
    if (!this.#keySet && this.#failures === 0) await this.#fetch()
    return this.#answer()
  }

  async refresh(revision: number): Promise<KeySet | NoKeys> {
    if (this.#keySet && this.#keySet.revision === revision && this.#failures === 0) {
      const now = this.#options.clock.now()
      if (!this.#fetching && now - this.#askedForAt >= UNKNOWN_KEY_INTERVAL_MS) {
        this.#askedForAt = now
        void this.#fetch()
      }
      await this.#fetching
    }
    return this.#answer()
  }

  /** Begins to fetch, where that was not done yet. */
  start(): void {
    if (!this.#keySet && this.#failures === 0) void this.#fetch()
  }

  close(): void {
    this.#closing.abort()
    this.#cancelTimer?.()
  }

  #answer(): KeySet | NoKeys {
    if (this.#keySet) return this.#keySet
    const wait = this.#fetching ? 0 : this.#nextAt - this.#options.clock.now()
    return { retryAfter: Math.max(1, Math.ceil(wait / 1000)) }
  }

  /** Fetches the keys; those who ask while that goes on share it. */
  #fetch(): Promise<void> {
    const { url, timeout } = this.#options
    this.#fetching ??= fetchKeys(url, timeout, this.#closing.signal).then(
      ({ keys, lifetime }) => this.#fetched(keys, lifetime),
      (error: Error) => this.#failed(error.message),
    )
    return this.#fetching
  }

  #fetched(keys: PublicJwk[], lifetime: number): void {
    if (this.#closing.signal.aborted) return
    // An issuer that takes all its keys back is obeyed, and asked again soon.
    if (keys.length === 0) {
      this.#replace(undefined)
      this.#failed('it has no key for signatures')
      return
    }
    this.#fetching = undefined
    this.#fetchedAt = this.#options.clock.date().getTime()
    if (this.#failures > 0) this.#options.observer.onRecovered()
    this.#failures = 0
    if (JSON.stringify(keys) !== JSON.stringify(this.#keySet?.keys)) this.#replace(keys)
    this.#fetchAfter(lifetime * REFRESH_AFTER)
  }

  #failed(reason: string): void {
    this.#fetching = undefined
    if (this.#closing.signal.aborted) return
    if (this.#keySet && this.#options.clock.date().getTime() - this.#fetchedAt >= MAX_STALE_MS)
      this.#replace(undefined)
    this.#failures++
    const hasKeys = this.#keySet !== undefined
    if (this.#failures === 1) this.#options.observer.onFailed(reason, hasKeys)
    const longest = hasKeys ? MAX_PAUSE_WITH_KEYS_MS : MAX_PAUSE_WITHOUT_KEYS_MS
    this.#fetchAfter(Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 1), longest))
  }

  #replace(keys: PublicJwk[] | undefined): void {
    if (keys === undefined && this.#keySet === undefined) return
    this.#keySet = keys && { revision: this.#options.nextRevision(), keys }
    this.#options.observer.onChange(this.#keySet)
  }

  #fetchAfter(delay: number): void {
    this.#cancelTimer?.()
    if (this.#closing.signal.aborted) return
    this.#nextAt = this.#options.clock.now() + delay
    this.#cancelTimer = this.#options.clock.after(delay, () => void this.#fetch())
  }
}
