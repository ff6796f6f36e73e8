import { ObserverGuard, warn } from '../../balancer/observer-guard.js'
import type { Clock } from '../../balancer/time/clock.js'
import { systemClock } from '../../balancer/time/clock.js'
import { FetchedKeySet, type KeySetObserver } from './fetched-key-set.js'
import type { KeySet, KeySetSource, NoKeys } from './key-set-source.js'

/** Longest time for one fetch. */
const FETCH_TIMEOUT_MS = 5000

export interface KeySetsOptions {
  clock?: Clock
  /** Longest time for one fetch, in milliseconds. */
  fetchTimeout?: number
  log?: KeySetLog
  /** Called when the keys of a URL have changed; undefined where there are none any more. */
  onChange?(url: string, keySet: KeySet | undefined): void
}

/** The part of a logger that is used. */
export interface KeySetLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

/**
 * The key sets of a process: one for each URL, fetched once, whoever asks. It outlives the configurations, so that a
 * reload fetches nothing again.
 */
export class KeySets implements KeySetSource {
  readonly #options: KeySetsOptions
  /** The keys are renewed also where a logger throws. */
  readonly #guard = new ObserverGuard(warn)
  readonly #sets = new Map<string, FetchedKeySet>()
  /** Counts over all URLs, so that a URL that is in use again does not begin anew. */
  #revision = 0

  constructor(options: KeySetsOptions = {}) {
    this.#options = options
  }

  current(url: string): KeySet | undefined {
    return this.#sets.get(url)?.current
  }

  get(url: string): Promise<KeySet | NoKeys> {
    return this.#setOf(url).get()
  }

  refresh(url: string, revision: number): Promise<KeySet | NoKeys> {
    return this.#setOf(url).refresh(revision)
  }

  /** Says which URLs are in use: those that are new are fetched, and the others are forgotten. */
  sync(urls: Iterable<string>): void {
    const used = new Set(urls)
    for (const [url, set] of this.#sets) {
      if (used.has(url)) continue
      this.#sets.delete(url)
      set.close()
      // Other threads must not use these keys as they are, should the URL come back much later.
      if (set.current) this.#guard.call(() => this.#options.onChange?.(url, undefined))
    }
    for (const url of used) this.#setOf(url).start()
  }

  /** Ends all fetches and timers. */
  close(): void {
    this.sync([])
  }

  #setOf(url: string): FetchedKeySet {
    let set = this.#sets.get(url)
    if (!set) {
      const { clock = systemClock, fetchTimeout = FETCH_TIMEOUT_MS } = this.#options
      set = new FetchedKeySet({
        url,
        clock,
        timeout: fetchTimeout,
        nextRevision: () => ++this.#revision,
        observer: this.#observerOf(url),
      })
      this.#sets.set(url, set)
    }
    return set
  }

  #observerOf(url: string): KeySetObserver {
    const { log, onChange } = this.#options
    const { origin, pathname } = new URL(url)
    // A query may have a secret.
    const jwks = origin + pathname
    return {
      onChange: (keySet) => {
        const names = keySet?.keys.map(({ kid }) => kid ?? null)
        this.#guard.call(() => {
          if (names) log?.info({ jwks, keys: names }, 'the keys for tokens have changed')
          else log?.warn({ jwks }, 'there are no keys for tokens any more')
        })
        this.#guard.call(() => onChange?.(url, keySet))
      },
      onFailed: (reason, hasKeys) => {
        const message = hasKeys ? 'the last ones are used for now' : 'requests that need them are refused'
        this.#guard.call(() =>
          log?.warn({ jwks, reason }, `the keys for tokens cannot be fetched: ${message}`),
        )
      },
      onRecovered: () => {
        this.#guard.call(() => log?.info({ jwks }, 'the keys for tokens are fetched again'))
      },
    }
  }
}
