import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { hasHooks } from './hooks.js'
import { chooseRequestId } from './request-id.js'

/** What Fastify asks a scope for, for each request, before it runs the first hook. */
interface Asked {
  readonly genReqId: (raw: IncomingMessage) => string
  readonly childLoggerFactory: FastifyInstance['childLoggerFactory']
}

/**
 * Has something done with each request to the routes of a scope before the first hook runs, those of the app included.
 * Fastify has no hook for that, but it asks the scope of the route for the request's id. The app's own maker of ids is
 * asked on.
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
  // Requests that have the id in a field do not need one to be made; but each needs a logger, right after that.
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
 * Whether an app has anything that may change a request of a scope in it before that is sent, but for hooks of single
 * routes.
 */
export function isTouchedByApp(scope: FastifyInstance): boolean {
  const app = Object.getPrototypeOf(scope) as FastifyInstance & Asked
  const hasOwnIds = (app.genReqId as unknown) !== chooseRequestId
  return hasOwnIds || hasHooks(app, ['onRequest', 'preParsing', 'preValidation', 'preHandler'])
}
