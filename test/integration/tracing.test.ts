import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, type TestContext, test } from 'node:test'
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { request } from 'undici'
import { WebSocket, WebSocketServer } from 'ws'
import { answering, deadUrl, type Handler, holding, status, TestBackend } from '../support/backend.js'
import { call } from '../support/client.js'
import { type Gateway, noPassiveHealth, openGateway } from '../support/gateway.js'
import { RecordingBackend } from '../support/recording-backend.js'
import { registerSdk } from '../support/traces.js'
import { until } from '../support/until.js'

const sdk = registerSdk()

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'
const traceparent = `00-${TRACE}-${PARENT}-01`

afterEach(() => {
  // The SDK complains of a span that ends twice.
  assert.deepEqual(sdk.complaints, [])
  assert.equal(sdk.open.size, 0)
})

/** With round robin it is known which backend is asked first. */
async function opened(
  t: TestContext,
  backends: (TestBackend | string)[],
  env: Record<string, string> = {},
): Promise<Gateway> {
  for (const backend of backends) if (typeof backend !== 'string') t.after(() => backend.close())
  const gateway = await openGateway(backends, {
    ...noPassiveHealth,
    WORKERS: '1',
    POLICY: 'round-robin',
    ...env,
  })
  t.after(() => gateway.close())
  return gateway
}

/** The span of the request, and those of its attempts in the order in which they began. */
async function taken(attempts: number): Promise<[ReadableSpan, ...ReadableSpan[]]> {
  const spans = await sdk.take(attempts + 1)
  const [server, ...others] = spans.filter(({ kind }) => kind === SpanKind.SERVER)
  assert.ok(server && others.length === 0)
  const clients = spans.filter(({ kind }) => kind === SpanKind.CLIENT)
  const of = (span: ReadableSpan) => span.attributes['leastwise.attempt'] as number
  clients.sort((one, other) => of(one) - of(other))
  for (const client of clients) {
    assert.equal(client.parentSpanContext?.spanId, server.spanContext().spanId)
    assert.equal(client.spanContext().traceId, server.spanContext().traceId)
  }
  return [server, ...clients]
}

/** What a backend gets in the field `traceparent` by which it continues a span. */
const fieldOf = (span: ReadableSpan) => `00-${span.spanContext().traceId}-${span.spanContext().spanId}-01`

const never: Handler = (incoming) => void incoming.resume()

const { UNSET, ERROR } = SpanStatusCode

test('a request is a span whose parent is in its fields, and the attempt is a child that the backend continues', async (t) => {
  const backend = await answering()
  const gateway = await opened(t, [backend])
  const fields = { traceparent, tracestate: 'vendor=1', baggage: 'user=ann', 'user-agent': 'tester' }
  await call(`${gateway.url}/some/where?secret=1`, { headers: fields })
  const [server, client] = await taken(1)
  assert.ok(client)
  assert.deepEqual([server.name, server.spanContext().traceId], ['GET', TRACE])
  assert.equal(server.parentSpanContext?.spanId, PARENT)
  assert.deepEqual([server.status.code, client.status.code], [UNSET, UNSET])
  const { host, port } = new URL(gateway.url)
  assert.ok(host)
  assert.deepEqual(
    { ...server.attributes },
    {
      'http.request.method': 'GET',
      'url.path': '/some/where',
      'url.scheme': 'http',
      'server.address': '127.0.0.1',
      'server.port': Number(port),
      'network.protocol.version': '1.1',
      'user_agent.original': 'tester',
      'client.address': '127.0.0.1',
      'network.peer.address': '127.0.0.1',
      'http.response.status_code': 200,
      'leastwise.pool': 'default',
      'leastwise.policy': 'round-robin',
      'leastwise.backend': gateway.backend().id,
      'leastwise.attempts': 1,
      'leastwise.queue_time': 0,
    },
  )
  assert.deepEqual(
    { ...client.attributes },
    {
      'http.request.method': 'GET',
      'server.address': '127.0.0.1',
      'server.port': backend.port,
      'url.full': `${backend.url}/some/where`,
      'network.protocol.version': '1.1',
      'http.response.status_code': 200,
      'leastwise.pool': 'default',
      'leastwise.backend': gateway.backend().id,
      'leastwise.policy': 'round-robin',
      'leastwise.in_flight': 1,
      'leastwise.attempt': 1,
      'leastwise.hedge': false,
      'leastwise.retry': false,
    },
  )
  const headers = backend.seen[0]?.headers
  assert.equal(headers?.traceparent, fieldOf(client))
  assert.deepEqual([headers?.tracestate, headers?.baggage], ['vendor=1', 'user=ann'])
})

test('a request without a trace begins one', async (t) => {
  const backend = await answering()
  const gateway = await opened(t, [backend])
  await call(gateway.url, { headers: { traceparent: 'nonsense' } })
  const [server, client] = await taken(1)
  assert.equal(server.parentSpanContext, undefined)
  assert.equal(backend.seen[0]?.headers.traceparent, fieldOf(client as ReadableSpan))
})

test('a retry has a span of its own, and its backend continues that one', async (t) => {
  const backend = await answering()
  const gateway = await opened(t, [deadUrl(), backend])
  await Promise.all([call(gateway.url, { headers: { traceparent } }), call(gateway.url)])
  const spans = await sdk.take(5)
  const failed = spans.filter(({ status: { code } }) => code === ERROR)
  const retries = spans.filter(({ attributes }) => attributes['leastwise.retry'])
  assert.deepEqual([failed.length, retries.length], [1, 1])
  assert.match(String(failed[0]?.attributes['error.type']), /^E[A-Z]+$/)
  assert.equal(failed[0]?.attributes['http.response.status_code'], undefined)
  assert.equal(retries[0]?.attributes['http.request.resend_count'], 1)
  assert.equal(retries[0]?.attributes['leastwise.attempt'], 2)
  assert.equal(retries[0]?.parentSpanContext?.spanId, failed[0]?.parentSpanContext?.spanId)
  const continued = backend.seen.map(({ headers }) => headers.traceparent)
  assert.ok(continued.includes(fieldOf(retries[0] as ReadableSpan)))
})

test('a response after which another backend is asked is an error of its attempt only', async (t) => {
  const backends = [
    await new TestBackend(status(503)).listen(),
    await new TestBackend(status(503)).listen(),
    await answering(),
  ]
  const gateway = await opened(t, backends, { RETRIES: '2', RETRY_STATUS: '503', RETRY_BUDGET: '100' })
  let answered = 0
  for (const code of [200, 200, 200]) if ((await call(gateway.url)).status === code) answered++
  assert.equal(answered, 3)
  const spans = await sdk.take(3 + backends.reduce((sum, { total }) => sum + total, 0))
  const bad = spans.filter(({ attributes }) => attributes['http.response.status_code'] === 503)
  assert.ok(bad.length > 0)
  for (const { kind, status: own, attributes } of bad) {
    assert.deepEqual([kind, own.code, attributes['error.type']], [SpanKind.CLIENT, ERROR, '503'])
  }
})

test('a request and its hedge that both fail', async (t) => {
  const backends = [await new TestBackend(never).listen(), await new TestBackend(never).listen()] as const
  const gateway = await opened(t, [...backends], { HEDGE: '20', HEDGE_BUDGET: '100' })
  const reply = call(gateway.url)
  await Promise.all(backends.map((backend) => backend.untilOpen(1)))
  for (const backend of backends) await backend.close()
  assert.equal((await reply).status, 502)
  const [server, first, hedge] = await taken(2)
  assert.deepEqual(
    [first?.attributes['leastwise.hedge'], hedge?.attributes['leastwise.hedge']],
    [false, true],
  )
  assert.deepEqual([server.status.code, first?.status.code, hedge?.status.code], [ERROR, ERROR, ERROR])
  const continued = backends.map(({ seen }) => seen[0]?.headers.traceparent)
  assert.deepEqual(continued.sort(), [first, hedge].map((span) => fieldOf(span as ReadableSpan)).sort())
})

for (const winner of ['first', 'hedge'] as const) {
  test(`where the ${winner} answers, the other attempt is cancelled and says so`, async (t) => {
    const both = [await holding(), await holding()] as const
    const gateway = await opened(t, [...both], { HEDGE: '20', HEDGE_BUDGET: '100' })
    const reply = call(gateway.url)
    await Promise.race(both.map((backend) => backend.untilOpen(1)))
    const [first, second] = both[0].open === 1 ? both : [both[1], both[0]]
    await second.untilOpen(1)
    const answers = winner === 'first' ? first : second
    answers.release()
    assert.equal((await reply).status, 200)
    const spans = await taken(2)
    const [server, ...attempts] = spans
    const won = attempts.find(({ attributes }) => attributes['http.response.status_code'] === 200)
    const lost = attempts.find((attempt) => attempt !== won)
    assert.equal(won?.attributes['leastwise.hedge'], winner === 'hedge')
    assert.equal(lost?.attributes['leastwise.cancelled'], 'hedge_lost')
    assert.deepEqual([server.status.code, won?.status.code, lost?.status.code], [UNSET, UNSET, UNSET])
    assert.equal(answers.seen[0]?.headers.traceparent, fieldOf(won as ReadableSpan))
  })
}

for (const [phase, handler] of [
  ['before the response', never],
  ['in the middle of the body', (_request, response) => void response.write('half')],
] as [string, Handler][]) {
  test(`a client that leaves ${phase}`, async (t) => {
    const backend = await new TestBackend(handler).listen()
    const gateway = await opened(t, [backend])
    const abort = new AbortController()
    const reply = request(gateway.url, { signal: abort.signal }).then(({ body }) => once(body, 'data'))
    reply.catch(() => {})
    await backend.untilOpen(1)
    if (handler !== never) await reply
    abort.abort()
    const [server, client] = await taken(1)
    for (const span of [server, client]) {
      assert.deepEqual([span?.status.code, span?.attributes['leastwise.cancelled']], [UNSET, 'client_gone'])
    }
  })
}

test('a request that waits in the queue: its time there, and a client that leaves it', async (t) => {
  const backend = await holding()
  const gateway = await opened(t, [backend], { MAX_CONNECTIONS: '1' })
  const held = call(gateway.url)
  await backend.untilOpen(1)
  const abort = new AbortController()
  const leaves = call(`${gateway.url}/leaves`, { signal: abort.signal })
  const waits = call(`${gateway.url}/waits`)
  await until(
    () => gateway.balancer.view().queue.length,
    (length) => length === 2,
  )
  abort.abort()
  await assert.rejects(leaves)
  await until(
    () => gateway.balancer.view().queue.length,
    (length) => length === 1,
  )
  backend.release()
  await held
  await backend.untilOpen(1)
  backend.release()
  await waits
  const spans = await sdk.take(5)
  const of = (path: string) => spans.find(({ attributes }) => attributes['url.path'] === path)?.attributes
  assert.deepEqual(
    [of('/leaves')?.['leastwise.cancelled'], of('/leaves')?.['leastwise.attempts']],
    ['client_gone', 0],
  )
  assert.ok((of('/waits')?.['leastwise.queue_time'] as number) > 0)
})

test('a request that the gateway refuses has no attempt', async (t) => {
  const gateway = await opened(t, [])
  assert.equal((await call(gateway.url)).status, 503)
  const [server] = await taken(0)
  assert.deepEqual(
    [server.status.code, server.attributes['error.type'], server.attributes['http.response.status_code']],
    [ERROR, 'LEASTWISE_NO_BACKEND', 503],
  )
})

test('a response that is cut is an error of both', async (t) => {
  const backend = await new TestBackend((_request, response) => {
    response.writeHead(200, { 'content-length': 99 }).write('half', () => response.destroy())
  }).listen()
  const gateway = await opened(t, [backend])
  await assert.rejects(call(gateway.url))
  const [server, client] = await taken(1)
  assert.deepEqual(
    [server.status.code, server.attributes['error.type'], server.attributes['http.response.status_code']],
    [ERROR, 'LEASTWISE_BAD_GATEWAY', 200],
  )
  assert.deepEqual(
    [client?.status.code, client?.attributes['error.type'], client?.attributes['http.response.status_code']],
    [ERROR, 'CLOSED', 200],
  )
})

test('a 404 is an error of the client span only, a 500 of both', async (t) => {
  const backend = await new TestBackend((incoming, response) =>
    response.writeHead(Number(incoming.url?.slice(1))).end(),
  ).listen()
  const gateway = await opened(t, [backend])
  for (const [code, ofServer] of [
    [404, UNSET],
    [500, ERROR],
  ] as const) {
    await call(`${gateway.url}/${code}`)
    const [server, client] = await taken(1)
    assert.deepEqual([server.status.code, client?.status.code], [ofServer, ERROR])
    assert.equal(client?.attributes['error.type'], String(code))
  }
})

test('the spans of a WebSocket end with its tunnel', async (t) => {
  const sockets = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  t.after(() => sockets.close())
  await once(sockets, 'listening')
  const { port } = sockets.address() as { port: number }
  const gateway = await opened(t, [`http://127.0.0.1:${port}`])
  const accepted = once(sockets, 'connection')
  const socket = new WebSocket(gateway.url.replace('http', 'ws'), { headers: { traceparent } })
  await once(socket, 'open')
  const [, incoming] = await accepted
  assert.equal(sdk.open.size, 2)
  socket.close()
  const [server, client] = await taken(1)
  assert.equal(incoming.headers.traceparent, fieldOf(client as ReadableSpan))
  for (const span of [server, client]) {
    assert.deepEqual([span?.status.code, span?.attributes['http.response.status_code']], [UNSET, 101])
  }
  assert.equal(server.spanContext().traceId, TRACE)
})

test('methods that a client has made up do not become names', async (t) => {
  const gateway = await opened(t, [await answering()])
  const { hostname, port } = new URL(gateway.url)
  const socket = connect(Number(port), hostname)
  socket.end('PROPFIND / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').resume()
  await once(socket, 'close')
  const [server, client] = await taken(1)
  for (const span of [server, client]) {
    assert.deepEqual(
      [span?.name, span?.attributes['http.request.method'], span?.attributes['http.request.method_original']],
      ['HTTP', '_OTHER', 'PROPFIND'],
    )
  }
})

test('300 requests that end in every way have one span each, and one for each attempt', async (t) => {
  const backends = await Promise.all([0, 1, 2].map(() => new RecordingBackend().listen()))
  for (const backend of backends) t.after(() => backend.close())
  const urls = backends.map(({ url }) => url)
  const gateway = await opened(t, urls, {
    HEDGE: '10',
    HEDGE_BUDGET: '100',
    RETRY_STATUS: '503',
    MAX_CONNECTIONS: '8',
  })
  const kinds = [
    'ok',
    'chunked',
    'missing',
    'error',
    'unavailable',
    'doze',
    'reset',
    'cut',
    'silent',
    'endless',
  ]
  const one = async (id: number) => {
    const kind = kinds[id % kinds.length] as string
    const signal = kind === 'silent' || kind === 'endless' ? AbortSignal.timeout(5 + (id % 30)) : undefined
    await call(`${gateway.url}/${kind}/${id}`, { ...(signal && { signal }) }).catch(() => {})
  }
  await Promise.all(Array.from({ length: 300 }, (_, id) => one(id)))
  await gateway.settled()
  await until(
    () => sdk.open.size,
    (size) => size === 0,
  )
  const spans = sdk.takeAll()
  const requests = spans.filter(({ kind }) => kind === SpanKind.SERVER)
  // Clients may leave before they have sent a request.
  const traced = requests.map(({ attributes }) => String(attributes['url.path']).split('/')[2])
  assert.equal(new Set(traced).size, traced.length)
  for (const { seen } of backends) for (const id of seen.keys()) assert.ok(traced.includes(id), id)
  assert.ok(traced.length > 200)
  const ids = new Map(
    requests.map((span) => [span.spanContext().spanId, span.attributes['leastwise.attempts']]),
  )
  const attempts = spans.filter(({ kind }) => kind === SpanKind.CLIENT)
  for (const [spanId, count] of ids) {
    const own = attempts.filter(({ parentSpanContext }) => parentSpanContext?.spanId === spanId)
    assert.equal(own.length, count)
  }
})
