import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { chooseRequestId } from '../request/request-id.js'
import { hasHooks } from './hooks.js'

/** What Fastify asks a scope for, for each request, before it runs the first hook. */
interface Asked {
  readonly genReqId: (raw: IncomingMessage) => string
  readonly childLoggerFactory: FastifyInstance['childLoggerFactory']
}

/**
 * Calls `act` with each request to the routes of a scope before the first hook runs, hooks of the app included. Fastify
 * has no hook for that, but it asks the scope of the route to make the request's id. The app's own maker of ids is called
 * after `act`.
 */
export function setBeforeHooks(scope: FastifyInstance, act: (raw: IncomingMessage) => void): void {
  const app = Object.getPrototypeOf(scope) as Asked
  if (!scope.initialConfig.requestIdHeader) {
    scope.setGenReqId((raw) => {
      act(raw as IncomingMessage)
      return app.genReqId(raw as IncomingMessage)
    })
    return
  }
  // Where a request has its id in a field Fastify makes none; but it makes a logger for each request, right after that.
  let acted = false
  scope.setGenReqId((raw) => {
    act(raw as IncomingMessage)
    acted = true
    return app.genReqId(raw as IncomingMessage)
  })
  scope.setChildLoggerFactory(function makeLogger(this: FastifyInstance, logger, bindings, options, raw) {
    if (!acted) act(raw as IncomingMessage)
    acted = false
    return app.childLoggerFactory.call(this, logger, bindings, options, raw)
  })
}

/**
 * Whether hooks of the app, or its own maker of ids, may change a request of a scope before it is sent. Hooks of single
 * routes are not looked at.
 */
export function isTouchedByApp(scope: FastifyInstance): boolean {
  const app = Object.getPrototypeOf(scope) as FastifyInstance & Asked
  const hasOwnIds = (app.genReqId as unknown) !== chooseRequestId
  return hasOwnIds || hasHooks(app, ['onRequest', 'preParsing', 'preValidation', 'preHandler'])
}
