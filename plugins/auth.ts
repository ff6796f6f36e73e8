import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { authenticatorOf } from '../src/auth/authenticator.js'
import type { KeySetSource } from '../src/auth/keys/key-set-source.js'
import { isRepeated } from '../src/auth/repeated-field.js'
import type { Verdict } from '../src/auth/verdict.js'
import { type Clock, systemClock } from '../src/balancer/time/clock.js'
import type { AuthConfig, BasicConfig } from '../src/config/file/gateway-config.js'
import {
  KeysUnavailableError,
  OverloadedError,
  UnauthorizedError,
} from '../src/proxy/downstream/errors/errors.js'
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
    if ('basic' in auth) return await addBasicAuth(scope, auth.basic, clock)
    const authenticator = await authenticatorOf(auth, keySets, clock)
    // A key is for the gateway alone, and the backend gets its name. A token is for the API, which may verify it again.
    const guard = new Guard(authenticator.fields, 'apiKey' in auth ? auth.apiKey.header : undefined)
    scope.addHook('onRequest', (request, reply, done) => {
      guard.begin(request)
      guard.end(authenticator.authenticate(request.raw), request, reply, done)
    })
  },
  { name: 'leastwise-auth', fastify: '5.x' },
)

/** Carries out what became of the credentials of a request. */
class Guard {
  readonly #fields: ReservedFields
  readonly #credentials: ReservedFields

  /**
   * @param fields that only the gateway may set
   * @param credentials the field that does not go to the backend
   */
  constructor(fields: readonly string[], credentials: string | undefined) {
    this.#fields = new ReservedFields(fields)
    this.#credentials = new ReservedFields(credentials === undefined ? [] : [credentials])
  }

  begin(request: FastifyRequest): void {
    this.#fields.reserve(request.raw)
  }

  end(verdict: Verdict | Promise<Verdict>, request: FastifyRequest, reply: FastifyReply, done: Done): void {
    // What was verified is remembered, so that mostly nothing is waited for.
    if (verdict instanceof Promise) {
      verdict.then((settled) => this.end(settled, request, reply, done)).catch(done)
    } else if (verdict.kind === 'admitted') {
      this.#credentials.remove(request.raw)
      this.#fields.set(request.raw, verdict.values)
      done()
    } else if (verdict.kind === 'refused') {
      reply.header('www-authenticate', verdict.challenge)
      done(new UnauthorizedError(verdict.message))
    } else {
      const error = verdict.kind === 'busy' ? new OverloadedError() : new KeysUnavailableError()
      done(Object.assign(error, { retryAfter: verdict.retryAfter }))
    }
  }
}

/** Admits users with a password. Neither goes to the backend, which gets the name of the user. */
async function addBasicAuth(scope: FastifyInstance, config: BasicConfig, clock: Clock): Promise<void> {
  const { BasicAuthenticator } = await import('../src/auth/basic/basic-authenticator.js')
  const { default: basicAuth } = await import('@fastify/basic-auth')
  const authenticator = new BasicAuthenticator(config, clock)
  const guard = new Guard(authenticator.fields, 'authorization')
  let read: FastifyInstance['basicAuth'] | undefined
  // The package decorates the scope that it is in, and several scopes within each other may have users of their own.
  await scope.register(async (inner) => {
    await inner.register(basicAuth, {
      validate(user, password, request, reply, done) {
        guard.end(authenticator.check(user, password), request, reply, done)
      },
    })
    read = inner.basicAuth
  })
  scope.addHook('onRequest', function (request, reply, done) {
    guard.begin(request)
    if (isRepeated(request.raw.rawHeaders, 'authorization')) {
      guard.end(authenticator.refused, request, reply, done)
      return
    }
    read?.call(this, request, reply, (error?: Error & { code?: string }) => {
      // What is no field with a user and a password is an error of the package.
      if (error?.code?.startsWith('FST_')) guard.end(authenticator.refused, request, reply, done)
      else done(error)
    })
  })
}
