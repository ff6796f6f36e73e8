import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { exportJWK, type JWK, SignJWT } from 'jose'
import { TestBackend } from './backend.js'

/** A key with which an issuer signs tokens. */
export interface IssuerKey {
  kid: string
  alg: string
  privateKey: KeyObject
  publicKey: KeyObject
  jwk: JWK
}

/** Makes a key: `RS256` with so many bits, `ES256` or `EdDSA`. */
export async function issuerKey(kid: string, alg = 'ES256', bits = 2048): Promise<IssuerKey> {
  const { privateKey, publicKey } =
    alg === 'EdDSA'
      ? generateKeyPairSync('ed25519')
      : alg === 'ES256'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('rsa', { modulusLength: bits })
  const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }
  return { kid, alg, privateKey, publicKey, jwk }
}

export const ISSUER = 'https://issuer.example'
export const AUDIENCE = 'shop'

/** The claims of a good token, which expires in a minute. @param now wall-clock milliseconds */
export function goodClaims(now = Date.now()): Record<string, unknown> {
  return { iss: ISSUER, aud: AUDIENCE, sub: 'alice', exp: Math.floor(now / 1000) + 60 }
}

/** Signs a token. @param header what its header has beside algorithm and name of the key */
export function sign(
  key: IssuerKey,
  claims = goodClaims(),
  header: Record<string, unknown> = {},
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
    .sign(key.privateKey)
}

/** A server of key sets whose part can be changed at any time. */
export interface KeyServer extends TestBackend {
  readonly jwks: string
  /** Answers with these keys, and fields beside them. */
  publish(keys: readonly object[], headers?: Record<string, string>): void
  become(answer: (response: ServerResponse) => void): void
}

export async function keyServer(keys: readonly IssuerKey[] = []): Promise<KeyServer> {
  let answer: (response: ServerResponse) => void
  const server = await new TestBackend((_request, response) => answer(response)).listen()
  const controls = {
    jwks: `${server.url}/jwks.json?secret=s3cret`,
    publish(published: readonly object[], headers: Record<string, string> = {}) {
      answer = (response) => {
        response.writeHead(200, { 'content-type': 'application/json', ...headers })
        response.end(JSON.stringify({ keys: published }))
      }
    },
    become(next: (response: ServerResponse) => void) {
      answer = next
    },
  }
  controls.publish(keys.map(({ jwk }) => jwk))
  return Object.assign(server, controls)
}
