import type { JwtConfig } from '../../config/file/gateway-config.js'
import { PUBLIC_KEY_ALGORITHMS, SECRET_ALGORITHMS } from '../keys/algorithms.js'
import type { KeySet, KeySetSource, NoKeys } from '../keys/key-set-source.js'
import { type KeyRing, keyRingOf, pemKeyRing, secretKeyRing } from './key-ring.js'

/** The keys of the tokens of a route, which may change while it is in force. */
export interface TokenKeys {
  /** The keys that are there now; the same object until they change. */
  current(): KeyRing | undefined
  /** The keys, once the first fetch is over. */
  get(): Promise<KeyRing | NoKeys>
  /** The keys after a token named one that is not in `ring`. */
  refresh(ring: KeyRing): Promise<KeyRing | NoKeys>
  /** Whether the keys have names. A token for keys without a name may give any. */
  readonly areNamed: boolean
}

/**
 * The keys that a configuration names.
 * @throws {Error} for keys that do not fit the algorithms, or a PEM file that has no public key
 */
export function tokenKeysOf({ keys, algorithms }: JwtConfig, source: KeySetSource): TokenKeys {
  // With an HMAC whose secret is a public key anybody could sign tokens.
  const possible = 'secret' in keys ? SECRET_ALGORITHMS : PUBLIC_KEY_ALGORITHMS
  const wrong = algorithms.find((algorithm) => !possible.includes(algorithm))
  if (wrong !== undefined) throw new Error(`the algorithm ${wrong} is not one of ${possible.join(', ')}`)
  if ('jwks' in keys) return new FetchedKeys(keys.jwks, source)
  const ring = 'secret' in keys ? secretKeyRing(keys.secret) : pemKeyRing(keys.publicKey)
  return { current: () => ring, get: async () => ring, refresh: async () => ring, areNamed: false }
}

/** The keys of a URL. */
class FetchedKeys implements TokenKeys {
  readonly areNamed = true
  readonly #url: string
  readonly #source: KeySetSource
  #keySet: KeySet | undefined
  #ring: KeyRing | undefined

  constructor(url: string, source: KeySetSource) {
    this.#url = url
    this.#source = source
  }

  current(): KeyRing | undefined {
    const keySet = this.#source.current(this.#url)
    return keySet && this.#ringOf(keySet)
  }

  async get(): Promise<KeyRing | NoKeys> {
    return this.#take(await this.#source.get(this.#url))
  }

  async refresh(ring: KeyRing): Promise<KeyRing | NoKeys> {
    const current = this.current()
    // Another request may have brought newer keys meanwhile.
    if (current && current !== ring) return current
    return this.#take(await this.#source.refresh(this.#url, this.#keySet?.revision ?? 0))
  }

  #take(keySet: KeySet | NoKeys): KeyRing | NoKeys {
    return 'retryAfter' in keySet ? keySet : this.#ringOf(keySet)
  }

  #ringOf(keySet: KeySet): KeyRing {
    if (this.#ring && this.#keySet === keySet) return this.#ring
    // An answer to an earlier question may come after a newer one.
    if (this.#ring && this.#keySet && keySet.revision <= this.#keySet.revision) return this.#ring
    this.#keySet = keySet
    this.#ring = keyRingOf(keySet.keys)
    return this.#ring
  }
}
