import type { IncomingMessage } from 'node:http'
import type { AppHooks } from './downstream/host-app/app-hooks.js'
import type { RouteRules } from './route-rules.js'

/** Options that all requests to the routes of one scope share; handle.ts uses them. */
export interface HandlerOptions {
  /** Returns the rules of the route that a request takes. */
  rulesOf(raw: IncomingMessage): RouteRules
  /** What hooks of the app may do. */
  appHooks: AppHooks
}
