import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { accessListPlugin } from '../../plugins/access-list.js'
import { corsPlugin } from '../../plugins/cors.js'
import { rateLimitPlugin } from '../../plugins/rate-limit.js'
import type { CorsConfig } from '../../src/config/file/gateway-config.js'
import { loggedCounter } from '../../src/gateway/traffic/logged-counter.js'
import { MemoryCounter } from '../../src/limits/memory-counter.js'
import { AccessList } from '../../src/proxy/http/access-list.js'
import { responseChangesOf } from '../../src/proxy/http/header-changes.js'
import { trustOf } from '../../src/proxy/http/trust.js'
import { deadUrl, type Handler, TestBackend } from '../support/backend.js'
import { launchBrowser, noBrowser } from '../support/browser.js'
import { call } from '../support/client.js'
import { exchange } from '../support/raw.js'
import { openRoute } from '../support/route-app.js'

const ORIGIN = 'https://shop.example'
const base: CorsConfig = {
  origin: [ORIGIN, 'https://other.example'],
  methods: ['GET', 'PUT'],
  allowedHeaders: undefined,
  exposedHeaders: [],
  credentials: false,
  maxAge: undefined,
}

/** Answers as a backend does that speaks CORS itself, and in its own way. */
const outspoken: Handler = (request, response) => {
  response.writeHead(200, {
    'access-control-allow-origin': '*',
    'access-control-allow-credentials': 'false',
    vary: 'Accept',
  })
  request.resume().once('end', () => response.end(`${request.method} of the backend`))
}

interface Setup {
  cors?: Partial<CorsConfig>
  handler?: Handler
  backends?: string[]
  /** Requests of one client; undefined for any number. */
  max?: number
  refuses?: boolean
}

async function open(t: TestContext, { cors, handler = outspoken, backends, max, refuses }: Setup = {}) {
  const backend = await new TestBackend(handler).listen()
  t.after(() => backend.close())
  const config = { ...base, ...cors }
  const trust = trustOf(false)
  const route = await openRoute(t, {
    backends: backends ?? [backend.url],
    route: {
      responseChanges: responseChangesOf({ set: {}, add: {}, remove: [] }, { varies: config.origin !== '*' }),
    },
    async around(scope) {
      await scope.register(corsPlugin, { cors: config })
      const limit = max && { max, window: 60_000, by: 'ip' as const, failOpen: true }
      if (limit)
        await scope.register(rateLimitPlugin, {
          limit,
          counter: loggedCounter(new MemoryCounter(), scope.log),
          trust,
        })
      // In the place of a plugin that asks for credentials.
      const list = new AccessList({ allow: [], deny: [] })
      if (refuses) await scope.register(accessListPlugin, { trust, listFor: () => list })
    },
  })
  return { ...route, backend }
}

const PREFLIGHT = {
  origin: ORIGIN,
  'access-control-request-method': 'PUT',
  'access-control-request-headers': 'x-custom',
}

test('a preflight is answered without a lease, also where the request itself would be refused', async (t) => {
  for (const refuses of [false, true]) {
    const { url, leases, backend } = await open(t, { refuses, cors: { maxAge: 600, credentials: true } })
    const { status, headers, text } = await call(url, { method: 'OPTIONS', headers: PREFLIGHT })
    assert.deepEqual([status, text], [204, ''])
    assert.equal(headers['access-control-allow-origin'], ORIGIN)
    assert.equal(headers['access-control-allow-methods'], 'GET, PUT')
    assert.equal(headers['access-control-allow-headers'], 'x-custom')
    assert.equal(headers['access-control-allow-credentials'], 'true')
    assert.equal(headers['access-control-max-age'], '600')
    assert.equal(headers.vary, 'Origin, Access-Control-Request-Headers')
    assert.deepEqual([leases(), backend.total], [0, 0])
  }
})

test('a preflight of another origin is told nothing that would allow it', async (t) => {
  const { url, leases } = await open(t, { cors: { allowedHeaders: ['x-a'], credentials: true } })
  const { headers } = await call(url, {
    method: 'OPTIONS',
    headers: { ...PREFLIGHT, origin: 'https://evil.example' },
  })
  assert.equal(headers['access-control-allow-origin'], undefined)
  assert.equal(headers['access-control-allow-headers'], 'x-a')
  for (const origin of [
    'https://shop.example.evil',
    'http://shop.example',
    'HTTPS://SHOP.EXAMPLE',
    'null',
    'https://shop.example:444',
  ]) {
    const reply = await call(url, { headers: { origin } })
    assert.equal(reply.headers['access-control-allow-origin'], undefined, origin)
    assert.equal(reply.status, 200)
  }
  assert.equal(leases(), 5)
})

test('an OPTIONS request that is no preflight goes to the backend', async (t) => {
  const { url, leases } = await open(t)
  for (const headers of [{}, { origin: ORIGIN }, { 'access-control-request-method': 'PUT' }]) {
    const { status, text } = await call(url, {
      method: 'OPTIONS',
      headers: headers as Record<string, string>,
    })
    assert.deepEqual([status, text], [200, 'OPTIONS of the backend'])
  }
  assert.equal(leases(), 3)
})

test("each field of CORS comes once, with the gateway's value, whatever the backend says", async (t) => {
  const { url } = await open(t, { cors: { credentials: true, exposedHeaders: ['x-total'] } })
  const answer = await exchange(
    url,
    `GET / HTTP/1.1\r\nHost: a\r\nOrigin: ${ORIGIN}\r\nConnection: close\r\n\r\n`,
  )
  const lines = answer.split('\r\n').map((line) => line.toLowerCase())
  assert.deepEqual(lines.filter((line) => line.startsWith('access-control-')).sort(), [
    'access-control-allow-credentials: true',
    `access-control-allow-origin: ${ORIGIN}`,
    'access-control-expose-headers: x-total',
  ])
  assert.deepEqual(
    lines.filter((line) => line.startsWith('vary:')),
    ['vary: accept, origin'],
  )
  const other = await call(url, { headers: { origin: 'https://evil.example' } })
  assert.deepEqual(
    [other.headers['access-control-allow-origin'], other.headers.vary],
    [undefined, 'Accept, Origin'],
  )
  const any = await open(t, { cors: { origin: '*' } })
  const reply = await call(any.url, { headers: { origin: 'https://any.example' } })
  assert.deepEqual([reply.headers['access-control-allow-origin'], reply.headers.vary], ['*', 'Accept'])
})

test('errors of the gateway have the fields, too', async (t) => {
  const cut: Handler = (request) => request.socket.destroy()
  const setups: [number, Setup][] = [
    [502, { handler: cut }],
    [502, { backends: [deadUrl()] }],
    [503, { backends: [] }],
    [403, { refuses: true }],
    [429, { max: 1 }],
  ]
  for (const [expected, setup] of setups) {
    const { url } = await open(t, setup)
    const headers = { origin: ORIGIN }
    if (setup.max) await call(url, { headers })
    const reply = await call(url, { headers })
    assert.deepEqual(
      [reply.status, reply.headers['access-control-allow-origin'], reply.headers.vary],
      [expected, ORIGIN, 'Origin'],
    )
  }
})

test('a browser', { skip: noBrowser }, async (t) => {
  const page = await new TestBackend((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>a shop</title>')
  }).listen()
  t.after(() => page.close())
  const api: Handler = (request, response) => {
    if (request.url === '/broken') return void request.socket.destroy()
    response.writeHead(200, {
      'access-control-allow-origin': '*',
      'set-cookie': 'session=s; Path=/; HttpOnly',
      'x-total': '7',
    })
    const { method, headers } = request
    request.resume().once('end', () => response.end(`${method} ${headers['x-custom']} ${headers.cookie}`))
  }
  const allowed = await open(t, {
    handler: api,
    cors: { origin: [page.url], credentials: true, exposedHeaders: ['x-total'] },
  })
  const refused = await open(t, { handler: api })
  const browser = await launchBrowser()
  const context = await browser.newContext()
  t.after(() => context.close())
  const tab = await context.newPage()
  await tab.goto(page.url)
  const get = (url: string, init: object = {}) =>
    tab.evaluate(
      async ([address, options]) => {
        try {
          const response = await fetch(address, options)
          const text = await response.text()
          return [response.status, text, response.headers.get('x-total')]
        } catch (error) {
          return [(error as Error).name]
        }
      },
      [url, init] as const,
    )
  const put = { method: 'PUT', body: 'b', headers: { 'x-custom': 'c' }, credentials: 'include' }
  assert.deepEqual(await get(`${allowed.url}/x`, put), [200, 'PUT c undefined', '7'])
  assert.deepEqual(await get(`${allowed.url}/x`, put), [200, 'PUT c session=s', '7'])
  assert.deepEqual(await get(`${allowed.url}/x`, { ...put, method: 'DELETE' }), ['TypeError'])
  const [status, text] = await get(`${allowed.url}/broken`)
  assert.deepEqual([status, JSON.parse(String(text)).code], [502, 'LEASTWISE_BAD_GATEWAY'])
  assert.deepEqual(await get(`${refused.url}/x`), ['TypeError'])
  assert.deepEqual(await get(`${refused.url}/x`, put), ['TypeError'])
  // The backend was asked twice, and once without an answer; and by the one whose origin is refused, once.
  assert.deepEqual([allowed.leases(), refused.leases()], [3, 1])
})
