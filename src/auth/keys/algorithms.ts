import type { KeyObject } from 'node:crypto'

/** Algorithms by which a token can be signed with a private key, RFC 7518 section 3.1, RFC 8037, RFC 9864. */
export const PUBLIC_KEY_ALGORITHMS: readonly string[] = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]

/** Algorithms with a shared secret. */
export const SECRET_ALGORITHMS: readonly string[] = ['HS256', 'HS384', 'HS512']

/** Smallest RSA key, RFC 7518 section 3.3. */
const MIN_RSA_BITS = 2048
/** Largest RSA key. The time for one signature grows with the square of its size. */
const MAX_RSA_BITS = 8192

const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const EDDSA = ['EdDSA', 'Ed25519']
const CURVES: Readonly<Record<string, readonly string[]>> = {
  prime256v1: ['ES256'],
  secp384r1: ['ES384'],
  secp521r1: ['ES512'],
}

/** The algorithms whose signatures a public key verifies; none where the key is of another kind, or too small. */
export function algorithmsOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): readonly string[] {
  if (asymmetricKeyType === 'ed25519') return EDDSA
  if (asymmetricKeyType === 'ec') return CURVES[asymmetricKeyDetails?.namedCurve ?? ''] ?? []
  if (asymmetricKeyType !== 'rsa') return []
  const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {}
  const isStrong = modulusLength >= MIN_RSA_BITS && modulusLength <= MAX_RSA_BITS
  // With the exponent 1 anybody can make a signature, and an even exponent is none of RSA.
  return isStrong && publicExponent >= 3n && publicExponent % 2n === 1n ? RSA : []
}

/** Whether two names of algorithms mean the same one: `Ed25519` is a newer name of the only `EdDSA` that is used. */
export function isSameAlgorithm(one: string, other: string): boolean {
  return one === other || (EDDSA.includes(one) && EDDSA.includes(other))
}
