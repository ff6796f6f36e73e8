import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Balancer } from '../balancer/balancer.js'
import type { BodyLimits } from './downstream/body/body-copy.js'
import type { ReadAheadLimits } from './downstream/body/read-ahead.js'
import type { HttpDownstream } from './downstream/downstream.js'
import type { RequestFieldOptions } from './downstream/fields/request-fields.js'
import type { TrailerRules } from './downstream/fields/request-trailers.js'
import type { ResponseFieldOptions } from './downstream/fields/response-fields.js'
import type { StripOptions } from './downstream/fields/strip-request-fields.js'
import type { AppHooks } from './downstream/host-app/app-hooks.js'
import type { AdmissionOptions } from './downstream/request/admission.js'

/** Options that all requests of one pool share; handle.ts uses them. */
export interface HandlerOptions {
  balancer: Balancer
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
  /** What hooks of the app may do. */
  appHooks: AppHooks
  /** Called with the Host of each request for which no backend was found. */
  onRefused(host: string | undefined): void
  /** Called with each request when it is over for its client, however it ended. */
  record(request: FastifyRequest, reply: FastifyReply, downstream: HttpDownstream): void
}
