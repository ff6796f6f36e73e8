import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { chooseRequestId } from '../request/request-id.js'
import { hasHooks } from './hooks.js'

/** What Fastify calls on the scope of a route for each request, before it runs the first hook. */
interface RequestFactories {
  readonly genReqId: (raw: IncomingMessage) => string
  readonly childLoggerFactory: FastifyInstance['childLoggerFactory']
}

/**
 * Calls `act` with each request to the routes of a scope before any hook runs, hooks of the app included. Fastify has
 * no hook at that point, but it calls `genReqId` of the route's scope for each request. The app's own `genReqId` is
 * called after `act`.
 */
export function setBeforeHooks(scope: FastifyInstance, act: (raw: IncomingMessage) => void): void {
  const app = Object.getPrototypeOf(scope) as RequestFactories
  if (!scope.initialConfig.requestIdHeader) {
    scope.setGenReqId((raw) => {
      act(raw as IncomingMessage)
      return app.genReqId(raw as IncomingMessage)
    })
    return
  }
  // Fastify does not call genReqId for a request that has its id in a field, but it makes a logger for every request
  // right after the id.
  let hasActed = false
  scope.setGenReqId((raw) => {
    act(raw as IncomingMessage)
    hasActed = true
    return app.genReqId(raw as IncomingMessage)
  })
  scope.setChildLoggerFactory(function makeLogger(this: FastifyInstance, logger, bindings, options, raw) {
    if (!hasActed) act(raw as IncomingMessage)
    hasActed = false
    return app.childLoggerFactory.call(this, logger, bindings, options, raw)
  })
}

/** Whether hooks of the app, or its `genReqId`, may change requests of a scope. Hooks of single routes do not count here. */
export function isTouchedByApp(scope: FastifyInstance): boolean {
  const app = Object.getPrototypeOf(scope) as FastifyInstance & RequestFactories
  const hasOwnIds = (app.genReqId as unknown) !== chooseRequestId
  return hasOwnIds || hasHooks(app, ['onRequest', 'preParsing', 'preValidation', 'preHandler'])
}
