import { context, type DiagLogger, diag, propagation, type SpanContext, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { until } from './until.js'

/** An SDK that is registered in this process, and keeps the spans that have ended. */
export interface TestSdk {
  /** Spans that have begun and not ended. */
  readonly open: Set<SpanContext>
  /** What the SDK has complained of, such as a span that ended twice. */
  readonly complaints: unknown[]
  /** The spans that have ended, which are forgotten. */
  takeAll(): ReadableSpan[]
  /** Resolves once so many spans have ended, and no more are open, and forgets them. */
  take(count: number): Promise<ReadableSpan[]>
}

/** Registers the SDK of OpenTelemetry. It stays registered until the process ends, which is one test file. */
export function registerSdk(sampler?: Sampler): TestSdk {
  const complaints: unknown[] = []
  const complain = (...words: unknown[]) => complaints.push(words)
  const logger: DiagLogger = { error: complain, warn: complain, info() {}, debug() {}, verbose() {} }
  diag.setLogger(logger)
  const exporter = new InMemorySpanExporter()
  const open = new Set<SpanContext>()
  const counter = {
    onStart: (span: { spanContext(): SpanContext }) => void open.add(span.spanContext()),
    onEnd: (span: { spanContext(): SpanContext }) => void open.delete(span.spanContext()),
    forceFlush: async () => {},
    shutdown: async () => {},
  }
  const provider = new BasicTracerProvider({
    ...(sampler && { sampler }),
    spanProcessors: [counter, new SimpleSpanProcessor(exporter)],
  })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(
    new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
  )
  trace.setGlobalTracerProvider(provider)
  const takeAll = () => {
    const spans = exporter.getFinishedSpans()
    exporter.reset()
    return spans
  }
  return {
    open,
    complaints,
    async take(count) {
      await until(
        () => [exporter.getFinishedSpans().length, open.size],
        ([ended, begun]) => ended === count && begun === 0,
      )
      return takeAll()
    },
    takeAll,
  }
}
