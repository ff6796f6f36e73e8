import type { Clock } from '../balancer/time/clock.js'
import type { AuthConfig } from '../config/file/gateway-config.js'
import type { KeySetSource } from './keys/key-set-source.js'
import { isRepeated } from './repeated-field.js'
import type { Authenticator, Credentials, Verdict } from './verdict.js'

/**
 * Makes what checks the credentials of requests in a way that is configured. The libraries for it are loaded only where
 * they are needed.
 */
export async function authenticatorOf(
  auth: AuthConfig,
  keySets: KeySetSource,
  clock: Clock,
): Promise<Authenticator> {
  if ('jwt' in auth) {
    const { JwtAuthenticator } = await import('./jwt/jwt-authenticator.js')
    return new JwtAuthenticator(auth.jwt, keySets, clock)
  }
  if ('apiKey' in auth) {
    const { ApiKeyAuthenticator } = await import('./api-key/api-key-authenticator.js')
    return new ApiKeyAuthenticator(auth.apiKey)
  }
  const { BasicAuthenticator } = await import('./basic/basic-authenticator.js')
  const basic = new BasicAuthenticator(auth.basic, clock)
  return {
    fields: basic.fields,
    authenticate(request): Verdict | Promise<Verdict> {
      const found = userIn(request)
      return found ? basic.check(found.user, found.password) : basic.refused
    },
  }
}

/** Reads the user and the password of a request (RFC 7617); undefined where it has none. */
function userIn({ headers, rawHeaders }: Credentials): { user: string; password: string } | undefined {
  const field = headers.authorization
  if (typeof field !== 'string' || isRepeated(rawHeaders, 'authorization')) return undefined
  const [, encoded] = /^basic +([A-Za-z0-9+/_~-]+=*) *$/i.exec(field) ?? []
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) }
}
