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
  handler: (request: FastifyRequest, reply: FastifyReply) => FastifyReply | undefined
}

/** Has a scope take all methods that are proxied, and TRACE, which is refused. @returns the methods */
export function allMethods(scope: FastifyInstance): string[] {
  addMethods(scope, passedOn)
  return [...passedOn, 'TRACE']
}

function addMethods(scope: FastifyInstance, methods: readonly string[]): void {
  for (const method of methods) if (!scope.supportedMethods.includes(method)) scope.addHttpMethod(method)
}

/**
 * Adds the routes of a pool to its scope, for everything under the scope's prefix.
 * @throws {RoutesTakenError} where the app or another pool already has all of these routes
 */
export function addProxiedRoutes(
  scope: FastifyInstance,
  { app, name, constraints, methods: chosen, handler }: ProxiedRoutesOptions,
): void {
  if (chosen) addMethods(scope, chosen)
  // Where no methods were chosen, every method gets a response: TRACE gets a refusal, and all others are proxied.
  const methods = chosen ?? allMethods(scope)
  const route = {
    handler,
    constraints,
    // HEAD is among the methods if it is proxied, and Fastify must not add it to GET.
    exposeHeadRoute: false,
    // The routes are hidden from an OpenAPI description of the app: OpenAPI has no place for most of these methods, and
    // the schemas belong to the backend.
    schema: { hide: true },
  }
  letOwnRoutesWin(app)
  let added = 0
  // A prefix needs two routes: the prefix itself, and all paths below it.
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
