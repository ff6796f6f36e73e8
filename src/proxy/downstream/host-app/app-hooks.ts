import { tracingChannel } from 'node:diagnostics_channel'
import type { FastifyInstance, RouteOptions } from 'fastify'
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
  /** Whether they may have replaced the handler of a route, and wait for what the replaced one returns. */
  wrapHandlers: boolean
  /** Whether code of the app runs for a request, and so in the request's own asynchronous context. */
  runInContext: boolean
}

/** Fastify tells this channel how long each handler takes, to the end of what the handler returns. */
const handlerChannel = tracingChannel('fastify.request.handler')

/**
 * Finds out what hooks of the app may do with the requests of a scope. All values are true until the app is ready;
 * only then are all hooks known. Call this before the routes are added, because plugins of the app may add hooks to
 * each route.
 * @param handlerOf returns the handler with which the routes are added
 */
export function watchAppHooks(scope: FastifyInstance, handlerOf: () => RouteOptions['handler']): AppHooks {
  const hooks: AppHooks = { seeResponses: true, touchRequests: true, wrapHandlers: true, runInContext: true }
  const routes: RouteOptions[] = []
  let seesRoute = false
  let touchesRoute = false
  scope.addHook('onRoute', (route) => {
    routes.push(route)
    seesRoute ||= route.onSend !== undefined
    touchesRoute ||= route.onRequest !== undefined || route.preParsing !== undefined
    touchesRoute ||= route.preValidation !== undefined || route.preHandler !== undefined
  })
  scope.addHook('onReady', async () => {
    hooks.seeResponses = seesRoute || hasHooks(scope, ['onSend'])
    hooks.touchRequests = touchesRoute || isTouchedByApp(scope)
    hooks.wrapHandlers = routes.some(({ handler }) => handler !== handlerOf())
    routes.length = 0
  })
  return hooks
}

/**
 * Returns true if somebody waits for what a handler returns. Fastify itself need not: to wait, it listens to the
 * response.
 */
export function isHandlerAwaited({ wrapHandlers }: AppHooks): boolean {
  return wrapHandlers || handlerChannel.hasSubscribers
}
