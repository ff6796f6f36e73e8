import { isRepeated } from '../repeated-field.js'
import type { Credentials } from '../verdict.js'

/** Longest token, in characters. It is looked at before a token is parsed. */
export const MAX_TOKEN_LENGTH = 12_288

/** Scheme and token, RFC 6750 section 2.1. */
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i
const SCHEME = /^bearer( |$)/i
/** A signed token in compact form, RFC 7515 section 7.1: header, claims, and a signature that is not empty. */
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/

/**
 * The token of a request; undefined where its Authorization field has none, and null where the field cannot be a signed
 * token, or came twice.
 */
export function bearerToken({ headers, rawHeaders }: Credentials): string | null | undefined {
  const { authorization } = headers
  if (typeof authorization !== 'string') return undefined
  if (isRepeated(rawHeaders, 'authorization')) return null
  if (!SCHEME.test(authorization)) return undefined
  if (authorization.length > MAX_TOKEN_LENGTH) return null
  const token = BEARER.exec(authorization)?.[1]
  return token !== undefined && COMPACT.test(token) ? token : null
}

/** What the header of a token says of its key. */
export interface TokenHeader {
  alg: string
  kid: string | undefined
}

/**
 * Reads the header of a token. Only the algorithm and the name of the key are taken from it: keys and addresses of keys
 * in it (`jwk`, `jku`, `x5c`, `x5u`) are whatever its sender wrote.
 * @returns undefined for a header that is malformed, or has critical parts (`crit`), of which none is understood
 */
export function tokenHeader(token: string): TokenHeader | undefined {
  let header: unknown
  try {
    header = JSON.parse(Buffer.from(token.slice(0, token.indexOf('.')), 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof header !== 'object' || header === null || Object.hasOwn(header, 'crit')) return undefined
  const { alg, kid } = header as { alg?: unknown; kid?: unknown }
  if (typeof alg !== 'string' || (kid !== undefined && typeof kid !== 'string')) return undefined
  return { alg, kid }
}
