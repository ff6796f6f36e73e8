import { setTimeout as sleep } from 'node:timers/promises'
import type { Span, Tracer, TracerProvider } from '@opentelemetry/api'
import type { FastifyRequest } from 'fastify'
import type { RequestTracer } from '../../proxy/http/request-trace.js'
import { version } from '../version.js'
import { arrivalAttributes, spanNameOf } from './attributes.js'
import { RequestSpan } from './request-span.js'
import type { TracedRoute, TracingApi } from './tracing-api.js'

/** The provider that an app has registered may be behind one of the API that takes its place before. */
type Provider = TracerProvider & { getDelegate?(): TracerProvider; forceFlush?(): Promise<void> }

/** Longest time that the end of a pool waits until its last spans are exported. */
const FLUSH_TIMEOUT_MS = 1000

/**
 * Makes spans by the SDK that the process has registered. The SDK may come and go at any time, therefore each request
 * looks whether it is the one that it was.
 */
export class Tracing {
  readonly api: TracingApi
  /** What the API has in the place of an SDK while none is registered. */
  readonly #none: TracerProvider
  #provider: TracerProvider
  #tracer: Tracer | undefined

  constructor(api: TracingApi) {
    this.api = api
    this.#none = new api.ProxyTracerProvider().getDelegate()
    this.#provider = this.#none
  }

  /** The tracer of the SDK that is registered; undefined while none is. */
  get tracer(): Tracer | undefined {
    const registered: Provider = this.api.trace.getTracerProvider()
    const provider = registered.getDelegate?.() ?? registered
    if (provider !== this.#provider) {
      this.#provider = provider
      this.#tracer = provider === this.#none ? undefined : provider.getTracer('leastwise', version)
    }
    return this.#tracer
  }

  /** Has the SDK export what has ended. Resolves also if it cannot, after {@link FLUSH_TIMEOUT_MS} at the latest. */
  async flush(): Promise<void> {
    const provider: Provider = this.#provider
    if (!this.tracer || !provider.forceFlush) return
    const timeout = new AbortController()
    const late = sleep(FLUSH_TIMEOUT_MS, undefined, { signal: timeout.signal }).catch(() => {})
    // A collector that is not there must not keep a process from ending.
    await Promise.race([provider.forceFlush().catch(() => {}), late])
    timeout.abort()
  }

  /** Returns what begins the traces of a route's requests. */
  of(route: TracedRoute): RequestTracer {
    return new RouteTracer(this, route)
  }
}

class RouteTracer implements RequestTracer {
  readonly #tracing: Tracing
  readonly #route: TracedRoute

  constructor(tracing: Tracing, route: TracedRoute) {
    this.#tracing = tracing
    this.#route = route
  }

  begin(request: FastifyRequest): RequestSpan | undefined {
    try {
      const { tracer } = this.#tracing
      return tracer && this.#begin(tracer, request)
    } catch (error) {
      this.#route.guard.complain(error)
      return undefined
    }
  }

  #begin(tracer: Tracer, request: FastifyRequest): RequestSpan | undefined {
    const { api } = this.#tracing
    const { context, propagation, trace, SpanKind } = api
    const active = context.active()
    // An instrumentation of the app's HTTP server has begun a span of the request already.
    const isInside = isUnderWay(trace.getSpan(active), api)
    const parent = isInside ? active : propagation.extract(trace.deleteSpan(active), request.raw.headers)
    const path = pathOf(this.#route, request)
    const options = {
      kind: isInside ? SpanKind.INTERNAL : SpanKind.SERVER,
      attributes: arrivalAttributes(request),
    }
    const span = tracer.startSpan(spanNameOf(request.method, path), options, parent)
    // The SDK makes such a span where the app does not want this request to be traced.
    if (!trace.isSpanContextValid(span.spanContext())) return undefined
    return new RequestSpan({ api, tracer, span, parent, route: this.#route, path })
  }
}

/**
 * Whether the active span is one of this request. A span that was active when the server began to listen is active in
 * each of its requests, but has ended.
 */
function isUnderWay(span: Span | undefined, { trace, TraceFlags }: TracingApi): boolean {
  if (!span) return false
  const spanContext = span.spanContext()
  if (!trace.isSpanContextValid(spanContext)) return false
  return span.isRecording() || (spanContext.traceFlags & TraceFlags.SAMPLED) === 0
}

/** The path that a route is for, as spans name it; undefined where it is for every path. */
function pathOf(route: TracedRoute, { routeOptions }: FastifyRequest): string | undefined {
  const path = route.name === undefined ? routeOptions.url : route.path
  return path === undefined || path === '/*' || path === '*' || path === '/' ? undefined : path
}
