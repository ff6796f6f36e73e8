import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { algorithmsOf, isSameAlgorithm } from './algorithms.js'
import type { PublicJwk } from './key-set-source.js'

/** The most keys of a set that are used. */
const MAX_KEYS = 1000

/** A public key, and the algorithms of the signatures that it verifies. */
export interface SigningKey {
  kid: string | undefined
  key: KeyObject
  algorithms: readonly string[]
}

/**
 * Takes out of a key set, RFC 7517 section 5, the public parts of the keys for signatures. Other keys are left out, as
 * the RFC wants it: keys for encryption, shared secrets, RSA keys under 2048 bits, and what is no key at all.
 * @throws {Error} for what is no key set
 */
export function usableKeys(document: unknown): PublicJwk[] {
  const { keys } = (isObject(document) ? document : {}) as { keys?: unknown }
  if (!Array.isArray(keys)) throw new Error('it has no list "keys"')
  return keys
    .filter(isForSignatures)
    .map(publicPart)
    .filter((jwk) => importJwk(jwk))
    .slice(0, MAX_KEYS)
}

/** The key of a JSON Web Key; undefined where it verifies no signature. */
export function importJwk(jwk: PublicJwk): SigningKey | undefined {
  let key: KeyObject
  try {
    key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
  } catch {
    return undefined
  }
  const { alg } = jwk
  const algorithms = algorithmsOf(key).filter((name) => alg === undefined || isSameAlgorithm(name, alg))
  return algorithms.length > 0 ? { kid: jwk.kid, key, algorithms } : undefined
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isForSignatures(jwk: unknown): jwk is Record<string, unknown> {
  if (!isObject(jwk)) return false
  const { kty, use, key_ops: operations } = jwk
  if (kty !== 'RSA' && kty !== 'EC' && kty !== 'OKP') return false
  if (use !== undefined && use !== 'sig') return false
  return operations === undefined || (Array.isArray(operations) && operations.includes('verify'))
}

/** The members that a public key needs: those of a private key that was published by mistake are not kept. */
function publicPart(jwk: Record<string, unknown>): PublicJwk {
  const part: Record<string, unknown> = {}
  for (const name of ['kty', 'kid', 'alg', 'crv', 'n', 'e', 'x', 'y']) {
    if (typeof jwk[name] === 'string') part[name] = jwk[name]
  }
  return part as unknown as PublicJwk
}
