import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import Fastify from 'fastify'
import { Gauge, Registry, register } from 'prom-client'
import leastwise, { type LeastwiseOptions } from '../../src/index.js'
import { answering, changing, deadUrl, holding, status, type TestBackend } from '../support/backend.js'
import { call } from '../support/client.js'
import { type Exposition, type Labels, parseExposition } from '../support/exposition.js'
import { startGateway } from '../support/process.js'
import { RawClient } from '../support/raw.js'
import { until } from '../support/until.js'

const authorization = { authorization: 'Bearer x' }

async function opened(t: TestContext, ...pools: LeastwiseOptions[]) {
  const app = Fastify()
  t.after(() => app.close())
  for (const pool of pools) await app.register(leastwise, { ejectMaxPercent: 0, ...pool })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const scrape = async (prefix = '/admin') => {
    const { status, text, headers } = await call(`${url}${prefix}/metrics`, { headers: authorization })
    assert.equal(status, 200)
    assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
    return parseExposition(text)
  }
  return {
    app,
    url,
    scrape,
    /** A request is over for the gateway a moment later than for its client. */
    async scrapeWith(requests: number, labels: Labels = {}) {
      return await until(scrape, (page) => page.sum('leastwise_requests_total', labels) >= requests)
    },
  }
}

const admin = { prefix: '/admin', token: 'x' }

async function started<B extends TestBackend>(t: TestContext, backend: Promise<B>): Promise<B> {
  const own = await backend
  t.after(() => own.close())
  return own
}

/** The lines of a name with a value other than 0, as `label value label value: number`. */
function lines(page: Exposition, name: string): string[] {
  return page.samples
    .filter((sample) => sample.name === name && sample.value !== 0)
    .map(({ labels: { pool: _pool, ...labels }, value }) => `${Object.values(labels).join(' ')}: ${value}`)
    .sort()
}

test('what comes of requests is counted by backend, class of status and outcome', async (t) => {
  const backend = await started(t, changing(status(200)))
  const { url, scrapeWith } = await opened(t, {
    prefix: '/api',
    backends: [{ url: backend.url, id: 'a', weight: 3, maxConnections: 7 }],
    admin,
  })
  for (const code of [200, 201, 304, 404, 500, 503]) {
    backend.become(status(code))
    await call(`${url}/api`, { method: 'POST', body: 'four' })
  }
  assert.equal((await call(`${url}/api`, { method: 'TRACE' })).status, 405)
  const page = await scrapeWith(7)
  assert.deepEqual(lines(page, 'leastwise_requests_total'), [
    '2xx ok a: 2',
    '3xx ok a: 1',
    '4xx ok a: 1',
    '4xx refused : 1',
    '5xx failed a: 2',
  ])
  assert.deepEqual(lines(page, 'leastwise_backend_attempts_total'), ['failed a: 2', 'ok a: 4'])
  assert.deepEqual(lines(page, 'leastwise_errors_total'), ['LEASTWISE_METHOD_NOT_ALLOWED: 1'])
  for (const name of ['leastwise_request_duration_seconds', 'leastwise_time_to_first_byte_seconds']) {
    assert.equal(page.sum(`${name}_count`, { backend: 'a' }), 6)
    const seconds = page.sum(`${name}_sum`, { backend: 'a' })
    assert.ok(seconds > 0 && seconds < 10, `${name}: ${seconds}`)
  }
  assert.equal(page.sum('leastwise_request_duration_seconds_count', { backend: '' }), 1)
  assert.equal(page.sum('leastwise_request_body_bytes_total', { backend: 'a' }), 24)
  assert.equal(page.sum('leastwise_response_body_bytes_total', { backend: 'a' }), 15)
  assert.equal(page.sum('leastwise_backend_weight'), 3)
  assert.equal(page.sum('leastwise_backend_max_connections'), 7)
  assert.deepEqual(lines(page, 'leastwise_backend_health'), ['unknown a: 1'])
  assert.deepEqual(lines(page, 'leastwise_backend_state'), ['active a: 1'])
  assert.deepEqual(lines(page, 'leastwise_pool_info'), ['least-connections: 1'])
})

test('a client that leaves, and one that is cut off, are told apart from those that were answered', async (t) => {
  const backend = await started(t, holding())
  const { url, app, scrapeWith } = await opened(t, { backends: [{ url: backend.url, id: 'a' }], admin })
  const client = new RawClient(url).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await backend.untilOpen(1)
  client.reset()
  await scrapeWith(1)
  const cut = call(url)
  await backend.untilOpen(1)
  app.balancer.registry.drain('a', 0)
  assert.equal((await cut).status, 502)
  assert.equal((await call(url)).status, 503)
  const page = await scrapeWith(3)
  assert.deepEqual(lines(page, 'leastwise_requests_total'), [
    '5xx failed a: 1',
    '5xx refused : 1',
    'none cancelled a: 1',
  ])
  assert.deepEqual(lines(page, 'leastwise_backend_attempts_total'), ['cancelled a: 2'])
  assert.deepEqual(lines(page, 'leastwise_errors_total'), [
    'LEASTWISE_BAD_GATEWAY: 1',
    'LEASTWISE_NO_BACKEND: 1',
  ])
  assert.deepEqual(lines(page, 'leastwise_backend_state'), ['draining a: 1'])
  assert.equal(page.sum('leastwise_pool_eligible_backends'), 0)
})

test('the queue: its length, its limit, and how long those waited who got a backend', async (t) => {
  const backend = await started(t, holding())
  const { url, scrape, scrapeWith } = await opened(t, {
    backends: [{ url: backend.url, id: 'a', maxConnections: 1 }],
    queueLimit: 2,
    queueTimeout: 100_000,
    admin,
  })
  const first = call(url)
  await backend.untilOpen(1)
  const waiting = [call(url), call(url)]
  await until(scrape, (page) => page.sum('leastwise_queue_length') === 2)
  assert.equal((await call(url)).status, 503)
  backend.server.on('arrived', () => setImmediate(() => backend.release()))
  backend.release()
  for (const { status } of await Promise.all([first, ...waiting])) assert.equal(status, 200)
  const page = await scrapeWith(4)
  assert.equal(page.sum('leastwise_queue_length'), 0)
  assert.equal(page.sum('leastwise_queue_limit'), 2)
  assert.equal(page.sum('leastwise_queue_wait_seconds_count'), 2)
  assert.ok(page.sum('leastwise_queue_wait_seconds_sum') > 0)
  assert.deepEqual(lines(page, 'leastwise_errors_total'), ['LEASTWISE_QUEUE_FULL: 1'])
})

test('the queue: how long those waited who got none', async (t) => {
  const backend = await started(t, holding())
  const { url, scrapeWith } = await opened(t, {
    backends: [{ url: backend.url, id: 'a', maxConnections: 1 }],
    queueTimeout: 200,
    admin,
  })
  const first = call(url)
  await backend.untilOpen(1)
  assert.equal((await call(url)).status, 503)
  backend.release()
  await first
  const page = await scrapeWith(2)
  assert.equal(page.sum('leastwise_queue_wait_seconds_count'), 1)
  assert.ok(page.sum('leastwise_queue_wait_seconds_sum') >= 0.2)
  assert.deepEqual(lines(page, 'leastwise_errors_total'), ['LEASTWISE_QUEUE_TIMEOUT: 1'])
})

test('retries and ejections', async (t) => {
  const backend = await started(t, answering())
  const { url, scrapeWith } = await opened(t, {
    backends: [
      { url: await deadUrl(), id: 'dead' },
      { url: backend.url, id: 'well' },
    ],
    policy: 'round-robin',
    retryBudget: 100,
    ejectConsecutive: 2,
    ejectMaxPercent: 50,
    failureDecay: 0,
    admin,
  })
  for (let i = 0; i < 6; i++) assert.equal((await call(url)).status, 200)
  const page = await scrapeWith(6)
  assert.deepEqual(lines(page, 'leastwise_backend_ejections_total'), ['dead: 1'])
  assert.deepEqual(lines(page, 'leastwise_backend_health'), ['ejected dead: 1', 'unknown well: 1'])
  assert.equal(page.sum('leastwise_retries_total'), 2)
  assert.deepEqual(lines(page, 'leastwise_requests_total'), ['2xx ok well: 6'])
  assert.deepEqual(lines(page, 'leastwise_backend_attempts_total'), ['failed dead: 2', 'ok well: 6'])
})

test('second tries, and those that won', async (t) => {
  const both = [await started(t, holding()), await started(t, holding())] as const
  const { url, scrapeWith } = await opened(t, {
    backends: both.map((backend) => backend.url),
    hedge: 30,
    hedgeBudget: 100,
    admin,
  })
  for (const wins of ['second', 'first']) {
    const reply = call(url)
    await Promise.race(both.map((backend) => backend.untilOpen(1)))
    const [first, second] = both[0].open === 1 ? both : [both[1], both[0]]
    await second.untilOpen(1)
    const [winner, loser] = wins === 'first' ? [first, second] : [second, first]
    winner.release()
    await reply
    await loser.untilOpen(0)
  }
  const page = await scrapeWith(2)
  assert.equal(page.sum('leastwise_hedges_total'), 2)
  assert.equal(page.sum('leastwise_hedges_won_total'), 1)
  assert.equal(page.sum('leastwise_backend_attempts_total', { outcome: 'ok' }), 2)
  assert.equal(page.sum('leastwise_backend_attempts_total', { outcome: 'cancelled' }), 2)
})

test('a backend that was removed leaves nothing behind, though its requests end later; its successor starts at 0', async (t) => {
  const backend = await started(t, holding())
  const other = await started(t, answering())
  const { url, app, scrape, scrapeWith } = await opened(t, {
    backends: [{ url: backend.url, id: 'a' }],
    admin,
  })
  const client = new RawClient(url).send('GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await backend.untilOpen(2)
  backend.release()
  await scrapeWith(2, { backend: 'a' })
  // By the time that the client has its answer the backend was forgotten.
  const cut = call(url)
  await backend.untilOpen(1)
  app.balancer.registry.remove('a', { force: true })
  assert.equal((await cut).status, 502)
  await call(url)
  let page = await scrapeWith(1, { backend: '' })
  assert.deepEqual(
    page.samples.filter(({ labels }) => labels.backend === 'a'),
    [],
  )
  app.balancer.registry.add({ url: other.url, id: 'a' })
  page = await scrape()
  const counters = page.samples.filter(
    ({ name, labels }) => labels.backend === 'a' && /_(total|count|sum)$/.test(name),
  )
  assert.ok(counters.length > 8)
  assert.deepEqual(
    counters.filter(({ value }) => value !== 0),
    [],
  )
  client.close()
})

test("each pool's admin API shows that pool, a registry of the app's all that were given it, and nothing of the app's own", async (t) => {
  const backend = await started(t, answering())
  const mine = new Registry()
  new Gauge({ name: 'mine', help: 'of the app', registers: [mine] }).set(1)
  const { url, app, scrape } = await opened(
    t,
    {
      name: 'one',
      prefix: '/1',
      backends: [{ url: backend.url, id: 'a' }],
      metrics: mine,
      admin: { ...admin, prefix: '/admin/1' },
    },
    {
      name: 'two "\\',
      prefix: '/2',
      backends: [{ url: backend.url, id: 'a' }],
      metrics: mine,
      admin: { ...admin, prefix: '/admin/2' },
    },
  )
  await call(`${url}/1`)
  for (let i = 0; i < 2; i++) await call(`${url}/2`)
  const pools = (page: Exposition) =>
    lines(page, 'leastwise_requests_total').length > 0 &&
    page.samples
      .filter(({ name }) => name === 'leastwise_requests_total')
      .map(({ labels, value }) => [labels.pool, value])
  const all = async () => parseExposition(await mine.metrics())
  await until(all, (page) => page.sum('leastwise_requests_total') >= 3)
  assert.deepEqual(pools(await scrape('/admin/1')), [
    ['one', 1],
    ['one', 0],
  ])
  assert.deepEqual(pools(await scrape('/admin/2')), [
    ['two \\"\\\\', 2],
    ['two \\"\\\\', 0],
  ])
  const page = await all()
  assert.equal(page.sum('leastwise_requests_total', { pool: 'one' }), 1)
  assert.equal(page.sum('leastwise_requests_total'), 3)
  assert.equal(page.sum('mine'), 1)
  assert.equal(page.types.has('process_cpu_seconds_total'), false)
  assert.equal((await scrape('/admin/1')).types.has('process_cpu_seconds_total'), true)
  // As a cluster of Node's gathers them.
  const json = await mine.getMetricsAsJSON()
  const requests = json.find(({ name }) => name === 'leastwise_requests_total')
  assert.deepEqual(requests?.values[0]?.labels, { pool: 'one', backend: 'a', code: '2xx', outcome: 'ok' })
  assert.deepEqual(register.getMetricsAsArray(), [], 'the global registry is the app’s')
  await app.close()
  assert.equal((await all()).sum('leastwise_pool_backends'), 0)
})

test('changes that could not be saved, until they are', async (t) => {
  let broken = false
  const save = async () => {
    if (broken) throw new Error('the disk is full')
  }
  const { app, scrape } = await opened(t, {
    backends: ['http://a:1'],
    store: { name: 'a store', load: async () => undefined, save },
    admin,
  })
  const told = async () => {
    await app.balancer.keeper?.saved().catch(() => {})
    const page = await scrape()
    return ['save_failures_total', 'unsaved'].map((name) => page.sum(`leastwise_state_${name}`))
  }
  assert.deepEqual(await told(), [0, 0])
  broken = true
  app.balancer.policy = 'round-robin'
  assert.deepEqual(await told(), [1, 1])
  broken = false
  app.balancer.policy = 'least-connections'
  assert.deepEqual(await told(), [1, 0])
})

test('an option that is no registry stops the start', async () => {
  const app = Fastify()
  const metrics = {} as Registry
  await assert.rejects(
    async () => await app.register(leastwise, { metrics }),
    /option "metrics" takes a registry/,
  )
})

test('a pool with 1,000 backends has a page that is valid, and in which each has its lines', async (t) => {
  const backends = Array.from({ length: 1000 }, (_, i) => `http://10.0.${i >> 8}.${i & 255}:8080`)
  const { scrape } = await opened(t, { prefix: '/api', backends, admin })
  const page = await scrape()
  assert.equal(page.sum('leastwise_backend_health', { health: 'unknown' }), 1000)
  assert.ok(page.samples.length < 23_000, `${page.samples.length} lines`)
})

test('histograms are those of backends that have had requests', async (t) => {
  const backend = await started(t, answering())
  const backends = [
    { url: backend.url, id: 'used' },
    { url: 'http://10.0.0.1:8080', id: 'idle', backup: true },
  ]
  const { url, scrapeWith } = await opened(t, { backends, admin })
  await call(url)
  const { samples } = await scrapeWith(1, { backend: 'used' })
  const histogramsOf = (id: string) =>
    samples.filter(({ name, labels }) => /_seconds_(bucket|sum|count)$/.test(name) && labels.backend === id)
  assert.deepEqual([histogramsOf('used').length, histogramsOf('idle').length], [34, 0])
})

test('the gateway has them on its admin listener, with those of its process, for whoever has the token', async (t) => {
  const backend = await started(t, answering())
  const gateway = await startGateway({ BACKENDS: backend.url, ADMIN_TOKEN: 'x' })
  t.after(() => gateway.stop())
  assert.equal((await call(`${gateway.admin}/metrics`)).status, 401)
  await call(gateway.url)
  for (;;) {
    const page = parseExposition((await call(`${gateway.admin}/metrics`, { headers: authorization })).text)
    if (page.sum('leastwise_requests_total', { pool: 'default', code: '2xx', outcome: 'ok' }) === 0) continue
    assert.ok(page.sum('process_cpu_seconds_total') > 0)
    assert.ok(page.sum('nodejs_eventloop_lag_p99_seconds') > 0)
    assert.equal(page.sum('leastwise_build_info'), 1)
    if (process.platform === 'linux') assert.ok(page.sum('process_open_fds') > 5)
    break
  }
})
