import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ForbiddenError } from '../src/proxy/downstream/errors/errors.js'
import { clientAddressOf } from '../src/proxy/downstream/fields/client-address.js'
import type { AccessList } from '../src/proxy/http/access-list.js'
import type { Trust } from '../src/proxy/http/trust.js'

export interface AccessListOptions {
  /** Which proxies are trusted to say where a request came from. */
  trust: Trust
  /** Returns the lists of the route that a request takes; undefined where anybody may use it. */
  listFor(request: FastifyRequest): AccessList | undefined
}

/** Refuses the clients that the list of a route leaves out. Register it before all that a client may not reach. */
export const accessListPlugin = fp<AccessListOptions>(
  async (scope, { trust, listFor }) => {
    scope.addHook('onRequest', (request, _reply, done) => {
      const list = listFor(request)
      if (list === undefined || list.allows(clientAddressOf(request, trust))) done()
      else done(new ForbiddenError())
    })
  },
  { name: 'leastwise-access-list', fastify: '5.x' },
)
