import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type RateLimitOptions, rateLimitPlugin } from '../../plugins/rate-limit.js'
import { loggedCounter } from '../../src/gateway/traffic/logged-counter.js'
import { MemoryCounter } from '../../src/limits/memory-counter.js'
import type { RateLimitCounter } from '../../src/limits/rate-limit-counter.js'
import { trustOf } from '../../src/proxy/http/trust.js'
import { answering } from '../support/backend.js'
import { call } from '../support/client.js'
import { RawClient } from '../support/raw.js'
import { openRoute } from '../support/route-app.js'

const limit = { max: 2, window: 60_000, by: 'ip' as const, failOpen: true }

interface LimitedOptions extends Omit<Partial<RateLimitOptions>, 'counter'> {
  counter?: RateLimitCounter
}

async function limited(
  t: TestContext,
  { counter = new MemoryCounter(), ...options }: LimitedOptions = {},
  logged: string[] = [],
) {
  const backend = await answering()
  t.after(() => backend.close())
  const trust = options.trust ?? trustOf(false)
  return openRoute(t, {
    backends: [backend.url],
    route: { trust },
    server: { logger: { level: 'warn', stream: { write: (line: string) => void logged.push(line) } } },
    around: async (scope) =>
      scope.register(rateLimitPlugin, {
        limit,
        counter: loggedCounter(counter, scope.log),
        trust,
        routeName: ({ url }) => url.split('/')[1] as string,
        ...options,
      }),
  })
}

const statuses = async (url: string, headers: Record<string, string>[]) => {
  const seen: number[] = []
  for (const each of headers) seen.push((await call(url, { headers: each })).status)
  return seen
}

test('who sends too many requests is refused without a lease, and is told for how long', async (t) => {
  const { url, leases, failures, pool } = await limited(t)
  const first = await call(`${url}/a/x`)
  assert.deepEqual(
    [first.status, first.headers['x-ratelimit-limit'], first.headers['x-ratelimit-remaining']],
    [200, '2', '1'],
  )
  assert.equal((await call(`${url}/a/y`, { method: 'HEAD' })).status, 200)
  for (const method of ['GET', 'OPTIONS', 'POST'] as const) {
    const { status, headers, text } = await call(`${url}/a`, {
      method,
      ...(method === 'POST' && { body: 'x' }),
    })
    assert.equal(status, 429)
    const wait = Number(headers['retry-after'])
    assert.ok(Number.isInteger(wait) && wait > 0 && wait <= 60, String(wait))
    assert.deepEqual(JSON.parse(text), {
      statusCode: 429,
      code: 'LEASTWISE_RATE_LIMITED',
      error: 'Too Many Requests',
      message: `too many requests; try again in ${wait} seconds`,
    })
    assert.equal(headers['x-ratelimit-remaining'], '0')
  }
  assert.deepEqual([leases(), failures()], [2, 0])
  assert.equal(pool.balancer.registry.list()[0]?.health, 'unknown')
  // Another route has a count of its own.
  assert.equal((await call(`${url}/b`)).status, 200)
})

test('an upgrade counts and is refused like any other request', async (t) => {
  const { url, leases } = await limited(t, { limit: { ...limit, max: 1 } })
  await call(`${url}/a`)
  const client = new RawClient(url).send(
    'GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  await client.until(/LEASTWISE_RATE_LIMITED/)
  client.close()
  assert.match(client.text, /^HTTP\/1.1 429 /)
  assert.equal(leases(), 1)
})

test('the addresses that a client names count only behind a trusted proxy', async (t) => {
  const named = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((address) => ({ 'x-forwarded-for': address }))
  const { url } = await limited(t)
  assert.deepEqual(await statuses(`${url}/a`, named), [200, 200, 429])
  assert.deepEqual(
    await statuses(
      `${url}/b`,
      named.map((_, i) => ({ forwarded: `for=10.0.0.${i}` })),
    ),
    [200, 200, 429],
  )
  const behind = await limited(t, { trust: trustOf(['127.0.0.1']) })
  assert.deepEqual(await statuses(`${behind.url}/a`, [...named, ...named]), [200, 200, 200, 200, 200, 200])
  assert.deepEqual(await statuses(`${behind.url}/a`, named), [429, 429, 429])
  // What the client wrote before the proxy's entry is not believed.
  assert.deepEqual(await statuses(`${behind.url}/a`, [{ 'x-forwarded-for': '10.0.0.9, 10.0.0.1' }]), [429])
  const six = ['2001:db8::1', '2001:db8::2:1', '2001:db8::3', '2001:db8:0:1::1'].map((address) => ({
    'x-forwarded-for': address,
  }))
  assert.deepEqual(await statuses(`${behind.url}/a`, six), [200, 200, 429, 200])
})

test('clients are told apart by a field, and by their address where it is missing', async (t) => {
  const { url } = await limited(t, { limit: { ...limit, max: 1, by: { header: 'x-api-key' } } })
  const long = 'k'.repeat(5000)
  const keys = ['one', 'two', 'one', long, `${long}2`, long].map((key) => ({ 'x-api-key': key }))
  assert.deepEqual(await statuses(`${url}/a`, [...keys, {}, {}]), [200, 200, 429, 200, 200, 429, 200, 429])
})

test('counts outlive the app, for as long as the limit stays', async (t) => {
  const counter = new MemoryCounter()
  const before = await limited(t, { counter })
  assert.deepEqual(await statuses(`${before.url}/a`, [{}, {}, {}]), [200, 200, 429])
  const after = await limited(t, { counter })
  assert.deepEqual(await statuses(`${after.url}/a`, [{}]), [429])
  const changed = await limited(t, { counter, limit: { ...limit, max: 3 } })
  assert.deepEqual(await statuses(`${changed.url}/a`, [{}, {}, {}, {}]), [200, 200, 200, 429])
})

test('requests pass where the counter fails or does not answer, with one line in the log', async (t) => {
  for (const increment of [
    () => Promise.reject(new Error('no connection')),
    () => new Promise<never>(() => {}),
    () => {
      throw new Error('no connection')
    },
  ]) {
    const logged: string[] = []
    const { url } = await limited(t, { counter: { increment }, limit: { ...limit, max: 1 } }, logged)
    assert.deepEqual(await statuses(`${url}/a`, [{}, {}]), [200, 200])
    const lines = logged.map((line) => JSON.parse(line))
    assert.deepEqual(
      lines.map(({ event, requests }) => [event, requests]),
      [['rate limit not counted', 1]],
    )
  }
})

test('a counter may answer later', async (t) => {
  const counter = new MemoryCounter()
  const { url } = await limited(t, {
    counter: { increment: async (key, window) => counter.increment(key, window) },
  })
  assert.deepEqual(await statuses(`${url}/a`, [{}, {}, {}]), [200, 200, 429])
})

test('where the limit is not to fail open, requests that cannot be counted are refused', async (t) => {
  const uncounted: string[] = []
  const { url, leases } = await limited(t, {
    counter: { increment: () => Promise.reject(new Error('no connection')) },
    limit: { ...limit, failOpen: false },
    onUncounted: (route) => uncounted.push(route),
  })
  for (const method of ['GET', 'HEAD', 'POST'] as const) {
    const { status, headers, text } = await call(`${url}/a`, {
      method,
      ...(method === 'POST' && { body: 'x' }),
    })
    assert.deepEqual([status, headers['retry-after']], [503, '1'])
    if (method === 'HEAD') continue
    assert.deepEqual(JSON.parse(text), {
      statusCode: 503,
      code: 'LEASTWISE_RATE_LIMIT_UNAVAILABLE',
      error: 'Service Unavailable',
      message: 'requests cannot be counted for the rate limit now',
    })
  }
  assert.deepEqual([leases(), uncounted], [0, ['a', 'a', 'a']])
})
