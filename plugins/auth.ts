import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import type { KeySetSource } from '../src/auth/keys/key-set-source.js'
import type { Authenticator, Verdict } from '../src/auth/verdict.js'
import { type Clock, systemClock } from '../src/balancer/time/clock.js'
import type { AuthConfig } from '../src/config/file/gateway-config.js'
import { KeysUnavailableError, UnauthorizedError } from '../src/proxy/downstream/errors/errors.js'
import { ReservedFields } from '../src/proxy/downstream/fields/reserved-fields.js'

export interface AuthOptions {
  auth: AuthConfig
  /** Where the keys of issuers come from. */
  keySets: KeySetSource
  clock?: Clock
}

type Done = Parameters<onRequestHookHandler>[2]

/**
 * Admits requests to the routes of a scope that have the credentials which the configuration asks for. Fields that it
 * sets for backends are removed from every request before, so that no client can set them.
 */
export const authPlugin = fp<AuthOptions>(
  async (scope, { auth, keySets, clock = systemClock }) => {
    const authenticator = await authenticatorOf(auth, keySets, clock)
    const fields = new ReservedFields(authenticator.fields)
    const taken = new ReservedFields(credentialsOf(auth))

    const settle = (verdict: Verdict, request: FastifyRequest, reply: FastifyReply, done: Done): void => {
      if (verdict.kind === 'admitted') {
        taken.remove(request.raw)
        fields.set(request.raw, verdict.values)
        done()
      } else if (verdict.kind === 'refused') {
        reply.header('www-authenticate', verdict.challenge)
        done(new UnauthorizedError(verdict.message))
      } else {
        done(Object.assign(new KeysUnavailableError(), { retryAfter: verdict.retryAfter }))
      }
    }

    scope.addHook('onRequest', (request, reply, done) => {
      fields.remove(request.raw)
      const verdict = authenticator.authenticate(request.raw)
      // A verified token is remembered, so that mostly nothing is waited for.
      if (verdict instanceof Promise) {
        verdict.then((settled) => settle(settled, request, reply, done)).catch(done)
      } else {
        settle(verdict, request, reply, done)
      }
    })
  },
  { name: 'leastwise-auth', fastify: '5.x' },
)

/** The libraries for tokens are loaded only where they are needed. */
async function authenticatorOf(
  auth: AuthConfig,
  keySets: KeySetSource,
  clock: Clock,
): Promise<Authenticator> {
  if ('jwt' in auth) {
    const { JwtAuthenticator } = await import('../src/auth/jwt/jwt-authenticator.js')
    return new JwtAuthenticator(auth.jwt, keySets, clock)
  }
  if ('apiKey' in auth) {
    const { ApiKeyAuthenticator } = await import('../src/auth/api-key/api-key-authenticator.js')
    return new ApiKeyAuthenticator(auth.apiKey)
  }
  throw new Error('not yet')
}

/**
 * Fields that a backend does not get. A key or a password is for the gateway alone, and the backend has the name of its
 * owner; a token is for the API, which may want to verify it as well.
 */
function credentialsOf(auth: AuthConfig): string[] {
  if ('apiKey' in auth) return [auth.apiKey.header]
  return 'basic' in auth ? ['authorization'] : []
}
