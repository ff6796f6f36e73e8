import { createHash, timingSafeEqual } from 'node:crypto'
import bearerAuth from '@fastify/bearer-auth'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ForbiddenError, UnauthorizedError } from '../src/admin/errors.js'
import { isLoopback } from '../src/proxy/http/loopback.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether an admin route needs no token: for probes, which have none, and for pages without data. */
    public?: boolean
  }
}

export interface AdminAuthOptions {
  /** The bearer token, or a function that returns it; undefined where the listener is on loopback and no token is set. */
  token: string | (() => string) | undefined
}

/**
 * Admits requests to the admin API that have the token. Where no token is set, it admits requests from this machine,
 * except those made by a foreign web page that is open in a browser on this machine.
 */
export const adminAuthPlugin = fp<AdminAuthOptions>(
  async (scope, { token }) => {
    if (token === undefined) {
      scope.addHook('onRequest', async (request) => refuseForeignPages(request))
      return
    }
    const current = typeof token === 'string' ? () => token : token
    await scope.register(bearerAuth, {
      keys: [],
      auth: (given) => timingSafeEqual(hashOf(given), hashOf(current())),
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

/** A hash, because only texts of one length can be compared in constant time. */
function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/**
 * Refuses requests of foreign web pages. With DNS rebinding, the host name of a page resolves to 127.0.0.1, and the
 * page's requests have that name in Host. Requests across origins have the page's origin in Origin.
 */
function refuseForeignPages(request: FastifyRequest): void {
  const { host, origin, 'sec-fetch-site': site, 'sec-fetch-mode': mode } = request.headers
  // HAProxy's probes are HTTP/1.0 without Host; a browser always sends Host.
  if (host === undefined && origin === undefined && request.routeOptions.config.public) return
  const name = hostName(host ?? '')
  if (name === undefined || !isLoopback(name)) {
    throw new ForbiddenError('without ADMIN_TOKEN only requests to a loopback address are answered')
  }
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    throw new ForbiddenError('without ADMIN_TOKEN no request from another origin is answered')
  }
  // A page that loads the API as an image sends no Origin. Following a link to the dashboard is allowed.
  if ((site === 'cross-site' || site === 'same-site') && mode !== 'navigate') {
    throw new ForbiddenError('without ADMIN_TOKEN no request from another origin is answered')
  }
}

function hostName(host: string): string | undefined {
  return /^(\[[^\]]*\]|[^:]*)(:\d*)?$/.exec(host)?.[1]?.replace(/^\[|\]$/g, '')
}
