import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base'
import { OtlpJsonExporter } from './otlp-json-exporter.mjs'

const {
  OTEL_SERVICE_NAME: service = 'leastwise',
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint = 'http://127.0.0.1:4318',
  OTEL_TRACES_SAMPLER_ARG: ratio = '1',
} = process.env

// A request that comes with a trace is recorded where its client's trace is, any other by chance.
const sampler = new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(Number(ratio)) })
const exporter = new OtlpJsonExporter(`${endpoint}/v1/traces`, service)

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
propagation.setGlobalPropagator(
  new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
)
trace.setGlobalTracerProvider(
  new BasicTracerProvider({ sampler, spanProcessors: [new BatchSpanProcessor(exporter)] }),
)
