import bearerAuth from '@fastify/bearer-auth'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ForbiddenError, UnauthorizedError } from '../src/proxy/downstream/errors/errors.js'
import { isLoopback } from '../src/proxy/http/loopback.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** On an admin route: answers without a token. For probes, which carry none and learn nothing. */
    public?: boolean
  }
}

export interface AdminAuthOptions {
  /** Undefined where the listener is on loopback and none was set. */
  token: string | undefined
}

/**
 * Who may use the admin API: whoever has the token; or, without one, whoever is on this machine, but not a
 * web page that a browser on this machine has open.
 */
export const adminAuthPlugin = fp<AdminAuthOptions>(
  async (scope, { token }) => {
    if (token === undefined) {
      scope.addHook('onRequest', async (request) => refuseForeignPages(request))
      return
    }
    // Compares in constant time.
    await scope.register(bearerAuth, {
      keys: [token],
      addHook: false,
      specCompliance: 'rfc6749',
      verifyErrorLogLevel: 'warn',
    })
    const verify = scope.verifyBearerAuth
    if (!verify) throw new Error('@fastify/bearer-auth did not decorate')
    scope.addHook('onRequest', (request, reply, done) => {
      if (request.routeOptions.config.public) return done()
      verify(request, reply, (error) => done(error && new UnauthorizedError()))
    })
  },
  { name: 'leastwise-admin-auth', fastify: '5.x' },
)

/**
 * DNS rebinding: a page from anywhere, whose name now resolves to 127.0.0.1, talks to us with its own name
 * in Host. A page that posts across origins tells so in Origin.
 */
function refuseForeignPages(request: FastifyRequest): void {
  const { host, origin, 'sec-fetch-site': site, 'sec-fetch-mode': mode } = request.headers
  // HAProxy's probe is HTTP/1.0 without Host, which no browser leaves out.
  if (host === undefined && origin === undefined && request.routeOptions.config.public) return
  const name = hostName(host ?? '')
  if (name === undefined || !isLoopback(name)) {
    throw new ForbiddenError('without ADMIN_TOKEN only requests to a loopback address are answered')
  }
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    throw new ForbiddenError('without ADMIN_TOKEN no request from another origin is answered')
  }
  // One that takes us for an image names no origin. To follow a link to the dashboard is another thing.
  if ((site === 'cross-site' || site === 'same-site') && mode !== 'navigate') {
    throw new ForbiddenError('without ADMIN_TOKEN no request from another origin is answered')
  }
}

function hostName(host: string): string | undefined {
  return /^(\[[^\]]*\]|[^:]*)(:\d*)?$/.exec(host)?.[1]?.replace(/^\[|\]$/g, '')
}
