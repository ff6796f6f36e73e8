import { hash } from 'node:crypto'
import type { Clock } from '../../balancer/time/clock.js'
import type { JwtConfig } from '../../config/file/gateway-config.js'
import type { KeySetSource } from '../keys/key-set-source.js'
import { RecentMap } from '../recent-map.js'
import type { Admitted, Authenticator, Credentials, Verdict } from '../verdict.js'
import { bearerToken, type TokenHeader, tokenHeader } from './bearer-token.js'
import type { KeyRing } from './key-ring.js'
import { BAD_SIGNATURE, MALFORMED_TOKEN, MISSING_TOKEN, refusedToken } from './refused-tokens.js'
import { type TokenKeys, tokenKeysOf } from './token-keys.js'
import { TokenVerifier, type VerifiedToken } from './token-verifier.js'

/** The most verified tokens that are remembered for one route. */
const MAX_REMEMBERED_TOKENS = 10_000

/**
 * Admits requests with a signed token (JWT, RFC 7519) in `Authorization: Bearer`. A token that was verified is
 * remembered until it expires or the keys change, as a signature takes longer than all else that is done for a request.
 */
export class JwtAuthenticator implements Authenticator {
  readonly fields: readonly string[]
  readonly #clock: Clock
  readonly #keys: TokenKeys
  readonly #verifier: TokenVerifier
  readonly #algorithms: ReadonlySet<string>
  /** By hash, so that no token lies about in memory. */
  readonly #verified = new RecentMap<Admitted>(MAX_REMEMBERED_TOKENS)
  /** The keys by which the remembered tokens were verified. */
  #ring: KeyRing | undefined

  /** @throws {Error} for keys that do not fit the algorithms, or a PEM file that has no public key */
  constructor(config: JwtConfig, source: KeySetSource, clock: Clock) {
    this.#clock = clock
    this.#keys = tokenKeysOf(config, source)
    this.#verifier = new TokenVerifier(config, clock)
    this.#algorithms = new Set(config.algorithms)
    this.fields = Object.values(config.forward)
  }

  authenticate(request: Credentials): Verdict | Promise<Verdict> {
    const token = bearerToken(request)
    if (token === undefined) return MISSING_TOKEN
    if (token === null) return MALFORMED_TOKEN
    const ring = this.#keys.current()
    if (!ring) return this.#verifyLater(token)
    if (ring !== this.#ring) {
      this.#ring = ring
      this.#verified.clear()
    }
    const id = hash('sha256', token, 'base64')
    return this.#verified.get(id, this.#clock.date().getTime()) ?? this.#verify(token, id, ring)
  }

  /** Verifies a token for which there are no keys yet. */
  async #verifyLater(token: string): Promise<Verdict> {
    const ring = await this.#keys.get()
    if ('retryAfter' in ring) return { kind: 'unavailable', retryAfter: ring.retryAfter }
    return this.#verify(token, hash('sha256', token, 'base64'), ring)
  }

  async #verify(token: string, id: string, ring: KeyRing): Promise<Verdict> {
    const header = tokenHeader(token)
    // The algorithm is checked before any key is looked for, or fetched.
    if (!header || !this.#algorithms.has(header.alg)) return MALFORMED_TOKEN
    try {
      const verified = await this.#verifyWith(token, header, ring)
      if (verified === 'unknown key') return await this.#verifyWithNewKeys(token, header, id, ring)
      return this.#remember(id, verified, ring)
    } catch (error) {
      return refusedToken(error)
    }
  }

  /** Verifies a token of an unknown key, which its issuer may have begun to use after the keys were fetched. */
  async #verifyWithNewKeys(token: string, header: TokenHeader, id: string, old: KeyRing): Promise<Verdict> {
    const ring = await this.#keys.refresh(old)
    if ('retryAfter' in ring) return { kind: 'unavailable', retryAfter: ring.retryAfter }
    const verified = ring === old ? undefined : await this.#verifyWith(token, header, ring)
    return this.#remember(id, verified === 'unknown key' ? undefined : verified, ring)
  }

  #remember(id: string, verified: VerifiedToken | undefined, ring: KeyRing): Verdict {
    if (!verified) return BAD_SIGNATURE
    const admitted: Admitted = { kind: 'admitted', values: verified.values }
    // The keys may have changed meanwhile, and the remembered tokens with them.
    if (ring === this.#ring) this.#verified.set(id, admitted, verified.expiresAt)
    return admitted
  }

  /** @returns undefined where the signature is wrong */
  async #verifyWith(
    token: string,
    { alg, kid }: TokenHeader,
    ring: KeyRing,
  ): Promise<VerifiedToken | 'unknown key' | undefined> {
    const name = this.#keys.areNamed ? kid : undefined
    const keys = ring.find(alg, name)
    if (keys.length === 0) return 'unknown key'
    const verified = await this.#verifier.verify(token, keys)
    // A token that names no key may be of one that is new.
    return verified ?? (name === undefined ? 'unknown key' : undefined)
  }
}
