import type { Attributes, Context, Span, Tracer } from '@opentelemetry/api'
import type { FastifyRequest } from 'fastify'
import type { Lease } from '../../balancer/leases/lease.js'
import type { FieldLines } from '../../proxy/http/fields.js'
import type { RequestTrace, TracedRequest } from '../../proxy/http/request-trace.js'
import type { RequestRecord } from '../record.js'
import { AttemptSpan } from './attempt-span.js'
import { requestAttributes, spanNameOf, upstreamAttributes } from './attributes.js'
import { addContext, withoutContext } from './context-fields.js'
import type { TracedRoute, TracingApi } from './tracing-api.js'

export interface RequestSpanOptions {
  api: TracingApi
  tracer: Tracer
  span: Span
  /** The context in which the span began. */
  parent: Context
  route: TracedRoute
  /** The path that the route is for; undefined where it is for every path. */
  path: string | undefined
}

/** The span of one proxied request. The spans of its attempts are its children. */
export class RequestSpan implements RequestTrace {
  readonly #options: RequestSpanOptions
  /** The context of the span, from which attempts begin. */
  readonly #context: Context
  /** The spans of the attempts in flight. */
  readonly #attempts = new Map<Lease, AttemptSpan>()
  /** The fields for backends, without those of any trace; undefined before the first attempt. */
  #fields: FieldLines | undefined

  constructor(options: RequestSpanOptions) {
    this.#options = options
    this.#context = options.api.trace.setSpan(options.parent, options.span)
  }

  get traceId(): string {
    return this.#options.span.spanContext().traceId
  }

  /** True if somebody wants to know more of the span than that it is there. */
  get isRecording(): boolean {
    return this.#options.span.isRecording()
  }

  startAttempt(request: TracedRequest, lease: Lease): void {
    try {
      this.#startAttempt(request, lease)
    } catch (error) {
      this.#options.route.guard.complain(error)
    }
  }

  endAttempt(lease: Lease, error: Error | undefined): void {
    const attempt = this.#attempts.get(lease)
    if (!attempt) return
    this.#attempts.delete(lease)
    try {
      attempt.end(error)
    } catch (thrown) {
      this.#options.route.guard.complain(thrown)
    }
  }

  #startAttempt(request: TracedRequest, lease: Lease): void {
    const { api, tracer, route } = this.#options
    const { propagation, trace, SpanKind } = api
    const options = { kind: SpanKind.CLIENT }
    const span = tracer.startSpan(spanNameOf(request.method), options, this.#context)
    this.#fields ??= withoutContext(request.fields, propagation.fields())
    // Concurrent attempts differ in these fields.
    request.fields = this.#fields.slice()
    addContext(request.fields, api, trace.setSpan(this.#context, span))
    if (span.isRecording()) span.setAttributes(attemptAttributes(request, lease, route.pool))
    this.#attempts.set(lease, new AttemptSpan(span, api, request, lease))
  }

  /**
   * Ends the span.
   * @param record what became of the request; undefined where the span does not record
   */
  end(request: FastifyRequest, record?: RequestRecord): void {
    const { span, route } = this.#options
    try {
      if (record && span.isRecording()) this.#describe(request, record)
      span.end()
    } catch (error) {
      route.guard.complain(error)
    }
  }

  #describe(request: FastifyRequest, record: RequestRecord): void {
    const { span, route, path, api } = this.#options
    const { statusCode, clientAddress, remoteAddress, queueTime } = record
    span.setAttributes({
      ...requestAttributes(request),
      'client.address': clientAddress ?? undefined,
      'network.peer.address': remoteAddress ?? undefined,
      'http.route': path,
      'http.response.status_code': statusCode ?? undefined,
      // Where requests are split, their pool is chosen after the span began.
      'leastwise.pool': record.pool ?? route.pool,
      'leastwise.route': route.name,
      'leastwise.policy': record.policy ?? undefined,
      'leastwise.backend': record.backend ?? undefined,
      'leastwise.attempts': record.attempts,
      'leastwise.queue_time': queueTime,
    })
    const error = errorTypeOf(record)
    if (error !== undefined) {
      span.setAttribute('error.type', error)
      span.setStatus({ code: api.SpanStatusCode.ERROR })
    } else if (record.aborted) {
      span.setAttribute('leastwise.cancelled', 'client_gone')
    }
  }
}

/** The error of a span of a request: only failures of the server are errors there, and those of the client are none. */
function errorTypeOf({ statusCode, aborted, outcome, error }: RequestRecord): string | undefined {
  const isCut = aborted && (outcome === 'failed' || error !== null)
  const isFailure = statusCode !== null && statusCode >= 500
  return isCut || isFailure ? (error ?? String(statusCode)) : undefined
}

function attemptAttributes(request: TracedRequest, lease: Lease, pool: string): Attributes {
  const { method, path, policy, attempts, hedge } = request
  const isHedge = lease === hedge
  const isRetry = attempts > 1 && !isHedge
  return {
    ...upstreamAttributes(method, path, lease.backend),
    'http.request.resend_count': isRetry ? attempts - 1 : undefined,
    'leastwise.pool': pool,
    'leastwise.backend': lease.backend.id,
    'leastwise.policy': policy,
    'leastwise.in_flight': lease.inFlight,
    'leastwise.attempt': attempts,
    'leastwise.hedge': isHedge,
    'leastwise.retry': isRetry,
  }
}
