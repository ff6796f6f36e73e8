import assert from 'node:assert/strict'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { afterEach, type TestContext, test } from 'node:test'
import { type Attributes, context, propagation, type Span, SpanKind, trace } from '@opentelemetry/api'
import { type ReadableSpan, type Sampler, SamplingDecision } from '@opentelemetry/sdk-trace-base'
import Fastify from 'fastify'
import leastwise from '../../src/index.js'
import { answering } from '../support/backend.js'
import { call } from '../support/client.js'
import { registerSdk } from '../support/traces.js'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const traceparent = `00-${TRACE}-b7ad6b7169203331-01`

/** What samplers were asked by, and whether they want what they are asked for. */
const asked: Attributes[] = []
let isWanted = true
const sampler: Sampler = {
  shouldSample(_parent, _traceId, _name, _kind, attributes) {
    asked.push(attributes)
    return { decision: isWanted ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD }
  },
}

/** An app with the plugin under `/api`, and what it has logged. */
async function opened(t: TestContext) {
  const backend = await answering()
  t.after(() => backend.close())
  const lines: Record<string, unknown>[] = []
  const stream = { write: (line: string) => lines.push(JSON.parse(line)) }
  const app = Fastify({ logger: { level: 'info', stream } })
  await app.register(leastwise, {
    prefix: '/api',
    backends: [backend.url],
    maxEventLoopDelay: 0,
    accessLog: true,
  })
  t.after(() => app.close())
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const traceIds = () => lines.flatMap(({ msg, traceId }) => (msg === 'request' ? [traceId] : []))
  return { app, backend, url: `${url}/api/x`, traceIds }
}

/** Runs each request of a server in a span, as an instrumentation of node:http does. */
function instrument(server: Server, begin: () => Span): void {
  const emit = server.emit as (event: string, ...parameters: unknown[]) => boolean
  server.emit = (event: string, ...parameters: unknown[]) => {
    if (event !== 'request') return emit.call(server, event, ...parameters)
    const [request, response] = parameters as [IncomingMessage, ServerResponse]
    const span = begin()
    response.once('close', () => span.end())
    const outer = propagation.extract(context.active(), request.headers)
    return context.with(trace.setSpan(outer, span), () => emit.call(server, event, request, response))
  }
}

const byKind = (spans: ReadableSpan[], kind: SpanKind) => spans.filter((span) => span.kind === kind)

test('without an SDK the fields of a trace are passed on byte for byte', async (t) => {
  const { backend, url, traceIds } = await opened(t)
  await call(url, { headers: { TraceParent: traceparent, tracestate: 'a=1,,b', baggage: 'k = v ;p' } })
  const headers = backend.seen[0]?.headers
  assert.deepEqual(
    [headers?.traceparent, headers?.tracestate, headers?.baggage],
    [traceparent, 'a=1,,b', 'k = v ;p'],
  )
  assert.deepEqual(traceIds(), [TRACE])
})

test('an SDK that is registered later is noticed, and one that goes as well', async (t) => {
  const { backend, url } = await opened(t)
  await call(url)
  const sdk = registerSdk(sampler)
  await call(url)
  const [one, other] = await sdk.take(2)
  assert.equal(one?.spanContext().traceId, other?.spanContext().traceId)
  trace.disable()
  await call(url, { headers: { traceparent } })
  const [before, meanwhile, after] = backend.seen.map(({ headers }) => headers.traceparent)
  assert.equal(before, undefined)
  assert.match(String(meanwhile), new RegExp(`^00-${one?.spanContext().traceId}-`))
  assert.equal(after, traceparent)
  assert.deepEqual(await sdk.take(0), [])
  context.disable()
  propagation.disable()
})

test('with an SDK', async (suite) => {
  const sdk = registerSdk(sampler)
  const tracer = trace.getTracer('host')
  afterEach(() => {
    isWanted = true
    asked.length = 0
    assert.equal(sdk.open.size, 0)
  })

  await suite.test('a span is named by the route of the plugin, and the log has its trace', async (t) => {
    const { url, traceIds } = await opened(t)
    await call(url)
    const spans = await sdk.take(2)
    const [server] = byKind(spans, SpanKind.SERVER)
    assert.deepEqual([server?.name, server?.attributes['http.route']], ['GET /api/*', '/api/*'])
    assert.deepEqual(traceIds(), [server?.spanContext().traceId])
  })

  await suite.test('in a span of the app the request is no second server span', async (t) => {
    const { app, backend, url } = await opened(t)
    instrument(app.server, () => tracer.startSpan('host', { kind: SpanKind.SERVER }))
    await call(url, { headers: { baggage: 'user=ann' } })
    const spans = await sdk.take(3)
    const [host, ...others] = byKind(spans, SpanKind.SERVER)
    const [inner] = byKind(spans, SpanKind.INTERNAL)
    const [client] = byKind(spans, SpanKind.CLIENT)
    assert.deepEqual([host?.name, others.length], ['host', 0])
    assert.equal(inner?.parentSpanContext?.spanId, host?.spanContext().spanId)
    assert.equal(client?.parentSpanContext?.spanId, inner?.spanContext().spanId)
    assert.equal(backend.seen[0]?.headers.baggage, 'user=ann')
  })

  await suite.test('a span in which the server was started is no parent', async (t) => {
    const started = tracer.startSpan('start')
    const { url } = await context.with(trace.setSpan(context.active(), started), () => opened(t))
    started.end()
    await sdk.take(1)
    await call(url, { headers: { traceparent } })
    const [server] = byKind(await sdk.take(2), SpanKind.SERVER)
    assert.equal(server?.spanContext().traceId, TRACE)
  })

  await suite.test('where the app does not record, only the context is passed on', async (t) => {
    const { backend, url, traceIds } = await opened(t)
    isWanted = false
    await call(`${url}?secret=1`, { headers: { traceparent } })
    assert.match(String(backend.seen[0]?.headers.traceparent), new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`))
    assert.notEqual(backend.seen[0]?.headers.traceparent?.slice(0, -3), traceparent.slice(0, -3))
    assert.deepEqual(await sdk.take(0), [])
    assert.deepEqual(asked, [
      { 'http.request.method': 'GET', 'url.path': '/api/x', 'url.scheme': 'http' },
      {},
    ])
    assert.deepEqual(traceIds(), [TRACE])
  })

  await suite.test('a part of the SDK that throws stops no request', async (t) => {
    const { url } = await opened(t)
    const { shouldSample } = sampler
    t.after(() => Object.assign(sampler, { shouldSample }))
    for (const failsAt of [0, 1]) {
      let calls = 0
      sampler.shouldSample = (...parameters) => {
        if (calls++ === failsAt) throw new Error('from the sampler')
        return shouldSample(...parameters)
      }
      const reply = await call(url)
      assert.deepEqual([reply.status, reply.text], [200, 'ok'])
      await sdk.take(failsAt)
    }
  })
})
