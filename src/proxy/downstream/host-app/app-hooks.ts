import type { FastifyInstance } from 'fastify'
import { isTouchedByApp } from './before-hooks.js'
import { hasHooks } from './hooks.js'

/**
 * What hooks of the app may do with the requests of a scope. Without such hooks the gateway leaves out the work that
 * only they need.
 */
export interface AppHooks {
  /** Whether they may see or replace responses. */
  seeResponses: boolean
  /** Whether they may change a request, or set fields of it. */
  touchRequests: boolean
}

/**
 * Finds out what hooks of the app may do with the requests of a scope. Both values are true until the app is ready;
 * only then are all hooks known. Call this before the routes are added, because plugins of the app may add hooks to
 * each route.
 */
export function watchAppHooks(scope: FastifyInstance): AppHooks {
  const hooks: AppHooks = { seeResponses: true, touchRequests: true }
  let seesRoute = false
  let touchesRoute = false
  scope.addHook('onRoute', (route) => {
    seesRoute ||= route.onSend !== undefined
    touchesRoute ||= route.onRequest !== undefined || route.preParsing !== undefined
    touchesRoute ||= route.preValidation !== undefined || route.preHandler !== undefined
  })
  scope.addHook('onReady', async () => {
    hooks.seeResponses = seesRoute || hasHooks(scope, ['onSend'])
    hooks.touchRequests = touchesRoute || isTouchedByApp(scope)
  })
  return hooks
}
