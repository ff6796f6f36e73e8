import type { FastifyRequest } from 'fastify'
import type { BodyLimits } from './downstream/body/body-copy.js'
import type { ReadAheadLimits } from './downstream/body/read-ahead.js'
import type { RequestFieldOptions } from './downstream/fields/request-fields.js'
import type { TrailerRules } from './downstream/fields/request-trailers.js'
import type { ResponseFieldOptions } from './downstream/fields/response-fields.js'
import type { StripOptions } from './downstream/fields/strip-request-fields.js'
import type { AppHooks } from './downstream/host-app/app-hooks.js'
import type { AdmissionOptions } from './downstream/request/admission.js'
import type { Peer } from './http/peer.js'
import type { Route } from './http/route.js'
import type { Mirror } from './mirror/mirror.js'
import type { RouteTarget } from './route-target.js'

/** How the requests of one route are handled. A request keeps the rules that it began with. */
export interface RouteRules extends Route {
  /** The pool that gets the requests; where there are several, the one that counts a request until one is chosen. */
  target: RouteTarget
  /** Chooses the pool that gets a request; undefined where there is only one. */
  chooseTarget: ((request: FastifyRequest, peer: Peer) => RouteTarget) | undefined
  /** Sends copies of requests to another pool; undefined for none. */
  mirror: Mirror | undefined
  strip: StripOptions
  admission: AdmissionOptions
  requestFields: RequestFieldOptions
  responseFields: ResponseFieldOptions
  trailerRuleFor: TrailerRules
  bodyLimits: BodyLimits
  /** Milliseconds for which a client may be silent in the middle of a body; 0 for any time. */
  bodyTimeout: number
  /** Limits for what is read of a body before a backend is chosen. */
  readAheadLimits: ReadAheadLimits
  /** What hooks around the route may do with its requests. */
  appHooks: AppHooks
}
