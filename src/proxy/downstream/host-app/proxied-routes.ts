import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { passedOn } from '../../http/methods.js'
import { isParsed } from '../body/raw-bodies.js'
import { addBehindOwn, type Constraints, letOwnRoutesWin, RoutesTakenError } from './own-routes.js'

export interface ProxiedRoutesOptions {
  /** The app that the pool is registered in. */
  app: FastifyInstance
  /** The name of the pool. */
  name: string
  constraints: Constraints
  /** The methods that were chosen to be proxied; undefined for all. */
  methods: readonly string[] | undefined
  handler: (request: FastifyRequest, reply: FastifyReply) => FastifyReply
}

/**
 * Adds the routes of a pool to its scope, for everything under the scope's prefix.
 * @throws {RoutesTakenError} where the app, or another pool, has all of them already
 */
export function addProxiedRoutes(
  scope: FastifyInstance,
  { app, name, constraints, methods: chosen, handler }: ProxiedRoutesOptions,
): void {
  for (const method of chosen ?? passedOn) {
    if (!scope.supportedMethods.includes(method)) scope.addHttpMethod(method)
  }
  // Where no methods were chosen every method gets a response, TRACE a refusal.
  const methods = chosen ?? [...passedOn, 'TRACE']
  const route = {
    handler,
    constraints,
    // HEAD is among the methods if it is proxied, and Fastify must not add it to GET.
    exposeHeadRoute: false,
    // Most of these methods have no place in an OpenAPI description of the app, and their schemas are the backend's.
    schema: { hide: true },
  }
  letOwnRoutesWin(app)
  let added = 0
  // With a prefix, the prefix itself and all below it.
  for (const url of scope.prefix === '' ? ['/*'] : ['', '/*']) {
    for (const parsed of [false, true]) {
      const method = methods.filter((one) => isParsed(one) === parsed)
      added += addBehindOwn(scope, name, { ...route, method, url }).length
    }
  }
  if (added === 0) {
    throw new RoutesTakenError(`${methods.join(', ')} ${scope.prefix}/* are routes of the app already`)
  }
}
