import { createPublicKey, type KeyObject } from 'node:crypto'
import { algorithmsOf, SECRET_ALGORITHMS } from '../keys/algorithms.js'
import type { PublicJwk } from '../keys/key-set-source.js'
import { importJwk, type SigningKey } from '../keys/usable-keys.js'

/** The most keys that are tried for a token that names none. */
const MAX_TRIED_KEYS = 16

/** One PEM block, RFC 7468. */
const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g

/** A key for the verification of signatures: of a public key, or a secret as bytes. */
export interface VerificationKey {
  kid: string | undefined
  key: KeyObject | Uint8Array
  algorithms: readonly string[]
}

/** The keys that may have signed a token. */
export class KeyRing {
  readonly #keys: readonly VerificationKey[]

  constructor(keys: readonly VerificationKey[]) {
    this.#keys = keys
  }

  /**
   * The keys for a token: those of the name that it gives, or all where it gives none. Each of them is for the
   * algorithm of the token, so that no public key can serve as the secret of an HMAC.
   */
  find(algorithm: string, kid: string | undefined): readonly VerificationKey[] {
    const found = this.#keys.filter(
      (key) => key.algorithms.includes(algorithm) && (kid === undefined || key.kid === kid),
    )
    return found.slice(0, MAX_TRIED_KEYS)
  }
}

export function keyRingOf(jwks: readonly PublicJwk[]): KeyRing {
  return new KeyRing(jwks.map(importJwk).filter((key): key is SigningKey => key !== undefined))
}

/** @param secret text, of which the bytes as UTF-8 are the secret */
export function secretKeyRing(secret: string): KeyRing {
  return new KeyRing([{ kid: undefined, key: Buffer.from(secret, 'utf8'), algorithms: SECRET_ALGORITHMS }])
}

/**
 * The keys of a PEM file: public keys and certificates, one or several. The time of a certificate is not looked at.
 * @throws {Error} where a block is of another kind, or there is none
 */
export function pemKeyRing(pem: string): KeyRing {
  const keys = [...pem.matchAll(PEM_BLOCK)].map(([block, label = '']) => {
    // Node derives the public key from a private one, which a gateway should not have.
    if (label.includes('PRIVATE')) throw new Error('it has a private key')
    const key = createPublicKey(block)
    const algorithms = algorithmsOf(key)
    if (algorithms.length === 0) throw new Error('it has a key that is of an unknown kind or too small')
    return { kid: undefined, key, algorithms }
  })
  if (keys.length === 0) throw new Error('it has no PEM block')
  return new KeyRing(keys)
}
