import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import Fastify from 'fastify'
import leastwise from '../../src/index.js'
import { TestBackend } from '../support/backend.js'
import { call, type Reply } from '../support/client.js'
import { openGateway } from '../support/gateway.js'

/** Backends that say which of them answers. */
async function openBackends(t: TestContext, count = 3): Promise<TestBackend[]> {
  const backends = Array.from({ length: count }, (_, i) => {
    const backend = new TestBackend((request, response) => {
      if (request.url === '/own-cookies') response.setHeader('set-cookie', ['a=1; Path=/', 'b=2'])
      if (request.url === '/cut') request.destroy()
      else request.resume().once('end', () => response.end(`b${i}`))
    })
    backend.server.on('upgrade', (_request, socket) => {
      socket.end(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\nb${i}`)
    })
    return backend.listen()
  })
  const opened = await Promise.all(backends)
  t.after(() => Promise.all(opened.map((backend) => backend.close())))
  return opened
}

async function openPool(t: TestContext, env: Record<string, string>) {
  const backends = await openBackends(t)
  const urls = backends.map(({ url }, i) => `${url};id=b${i}`)
  const gateway = await openGateway(urls, { SLOW_START: '0', ...env })
  t.after(() => gateway.close())
  return {
    gateway,
    backends,
    ask: (headers: Record<string, string> = {}, path = '/') => call(gateway.url + path, { headers }),
  }
}

function cookiesOf({ headers }: Reply): string[] {
  return [headers['set-cookie'] ?? []].flat()
}

/** The name and value of the cookie that a response has set. */
function cookieOf(reply: Reply): string {
  return (cookiesOf(reply).at(-1) as string).split(';')[0] as string
}

/** The backends that answer requests with these fields. */
async function answersTo(
  ask: (headers: Record<string, string>) => Promise<Reply>,
  headers: Record<string, string>,
) {
  const replies = await Promise.all(Array.from({ length: 10 }, () => ask(headers)))
  for (const { status } of replies) assert.equal(status, 200)
  return new Set(replies.map(({ text }) => text))
}

test('cookie: the first response sets it, and every further request goes to the same backend', async (t) => {
  const { ask, backends } = await openPool(t, { AFFINITY: 'cookie' })
  const counts = new Map<string, number>()
  for (let client = 0; client < 12; client++) {
    const first = await ask()
    const [set = '', ...more] = cookiesOf(first)
    assert.deepEqual(more, [])
    assert.match(set, /^leastwise=[\w-]{44}; Path=\/; HttpOnly; SameSite=Lax$/)
    counts.set(first.text, (counts.get(first.text) ?? 0) + 1)
    const again = await ask({ cookie: cookieOf(first) })
    assert.deepEqual(cookiesOf(again), [], 'it is set once')
    assert.deepEqual(await answersTo(ask, { cookie: cookieOf(first) }), new Set([first.text]))
  }
  // The policy says where a session begins.
  assert.deepEqual([...counts.values()], [4, 4, 4])
  for (const { seen } of backends) for (const { headers } of seen) assert.equal(headers.cookie, undefined)
})

test('cookie: other cookies reach the backend byte for byte, and its own reach the client', async (t) => {
  const { ask, backends } = await openPool(t, { AFFINITY: 'cookie:sid' })
  const first = await ask({}, '/own-cookies')
  assert.deepEqual(cookiesOf(first).slice(0, 2), ['a=1; Path=/', 'b=2'])
  const own = cookieOf(first)
  assert.match(own, /^sid=/)
  for (const [sent, left] of [
    [`x=1;  y="a b" ; ${own}`, 'x=1;  y="a b"'],
    [`${own}; sid2=1; xsid=2`, 'sid2=1; xsid=2'],
    [`x=1; ${own}; y=2`, 'x=1; y=2'],
    [`x=1;${own};y=2; `, 'x=1;y=2;'],
    [`sid=other; ${own}; sid=${'x'.repeat(2000)}; x`, 'x'],
    [own, undefined],
    ['sidx=1', 'sidx=1'],
  ] as const) {
    const reply = await ask({ cookie: sent })
    if (sent.includes(own)) assert.equal(reply.text, first.text, sent)
    const { seen } = backends.find((_, i) => `b${i}` === reply.text) as TestBackend
    assert.equal(seen.at(-1)?.headers.cookie, left, sent)
  }
})

test('cookie: what the gateway has not signed is as if there were no cookie', async (t) => {
  const { ask } = await openPool(t, { AFFINITY: 'cookie' })
  const own = cookieOf(await ask()).slice('leastwise='.length)
  const flipped = (at: number) => own.slice(0, at) + (own[at] === 'A' ? 'B' : 'A') + own.slice(at + 1)
  for (const value of [
    '',
    own.slice(0, -1),
    `${own}A`,
    own.slice(0, 8),
    ...[0, 15, 16, 25, 27, 43].map(flipped),
    own.toLowerCase(),
    'x'.repeat(8000),
    '%00%ff',
    '"',
    '../..',
    `${own.slice(0, 20)}=${own.slice(21)}`,
  ]) {
    const reply = await ask({ cookie: `leastwise=${value}` })
    assert.equal(reply.status, 200)
    assert.equal(cookiesOf(reply).length, 1, value)
  }
})

test('cookie: Secure where the client uses TLS, as trusted proxies say', async (t) => {
  const { ask } = await openPool(t, { AFFINITY: 'cookie', TRUST_PROXY: 'true' })
  assert.match(cookiesOf(await ask({ 'x-forwarded-proto': 'https' }))[0] ?? '', /; SameSite=Lax; Secure$/)
  assert.match(cookiesOf(await ask())[0] ?? '', /; SameSite=Lax$/)
})

test('cookie: a session whose backend is gone goes on with another one, and stays there', async (t) => {
  const { ask, gateway, backends } = await openPool(t, { AFFINITY: 'cookie', RETRIES: '1' })
  const first = await ask()
  const index = Number(first.text[1])
  const own = cookieOf(first)
  const { registry } = gateway.balancer
  registry.drain(first.text)
  await gateway.settled()
  assert.deepEqual(await answersTo(ask, { cookie: own }), new Set([first.text]), 'draining')
  assert.notEqual((await ask()).text, first.text)
  registry.activate(first.text)
  registry.setHealth(first.text, 'unhealthy')
  await gateway.settled()
  const moved = await ask({ cookie: own })
  assert.notEqual(moved.text, first.text)
  const other = cookieOf(moved)
  // The key is the same, and the place is another one.
  assert.equal(other.slice(0, 'leastwise='.length + 16), own.slice(0, 'leastwise='.length + 16))
  registry.setHealth(first.text, 'healthy')
  await gateway.settled()
  assert.deepEqual(await answersTo(ask, { cookie: other }), new Set([moved.text]))
  assert.equal((await ask({ cookie: own })).text, first.text)
  // A retry elsewhere is for one request.
  await backends[index]?.close()
  const retried = await ask({ cookie: own })
  assert.equal(retried.status, 200)
  assert.notEqual(retried.text, first.text)
  assert.deepEqual(cookiesOf(retried), [])
})

test('cookie: an answer that no backend gave sets none', async (t) => {
  const { ask } = await openPool(t, { AFFINITY: 'cookie', RETRIES: '0' })
  const reply = await ask({}, '/cut')
  assert.equal(reply.status, 502)
  assert.deepEqual(cookiesOf(reply), [])
})

test('cookie: good in every gateway with the same secret, and in no other', async (t) => {
  const backends = await openBackends(t)
  const urls = backends.map(({ url }, i) => `${url};id=b${i}`)
  const open = async (secret: string) => {
    const gateway = await openGateway(urls, { AFFINITY: 'cookie', AFFINITY_SECRET: secret })
    t.after(() => gateway.close())
    return (headers: Record<string, string>) => call(gateway.url, { headers })
  }
  const one = await open('a-secret-of-two-gateways')
  const same = await open('a-secret-of-two-gateways')
  const other = await open('a-secret-of-another-one')
  const first = await one({})
  const cookie = cookieOf(first)
  assert.deepEqual(await answersTo(same, { cookie }), new Set([first.text]))
  assert.equal(cookiesOf(await other({ cookie })).length, 1)
})

test('cookie: one serves two pools, of which each keeps its own place for the client', async (t) => {
  const backends = await openBackends(t)
  const app = Fastify()
  t.after(() => app.close())
  const urls = backends.map(({ url }, i) => ({ url, id: `b${i}` }))
  await app.register(leastwise, { name: 'one', prefix: '/one', backends: urls, affinity: 'cookie' })
  await app.register(leastwise, { name: 'two', prefix: '/two', backends: urls, affinity: 'cookie' })
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  const first = await call(`${origin}/one/x`)
  const cookie = cookieOf(first)
  const answers = await answersTo((headers) => call(`${origin}/two/x`, { headers }), { cookie })
  assert.equal(answers.size, 1)
  assert.deepEqual(cookiesOf(await call(`${origin}/two/x`, { headers: { cookie } })), [])
  assert.deepEqual(
    await answersTo((headers) => call(`${origin}/one/x`, { headers }), { cookie }),
    new Set([first.text]),
  )
})

test('cookie: over HTTP/2, in several lines, and where a hook of the app has copied the fields', async (t) => {
  const backends = await openBackends(t)
  const app = Fastify({ http2: true })
  app.addHook('onRequest', async (request) => {
    if (request.headers['x-copy']) request.headers = { ...request.headers, 'x-own': '1' }
  })
  await app.register(leastwise, {
    backends: backends.map(({ url }, i) => ({ url, id: `b${i}` })),
    affinity: 'cookie',
  })
  const session = connectHttp2(await app.listen({ port: 0, host: '127.0.0.1' }))
  t.after(async () => {
    session.destroy()
    await app.close()
  })
  const ask = async (fields: OutgoingHttpHeaders) => {
    const stream = session.request({ ':path': '/', ...fields })
    const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
    return { set: headers['set-cookie'], text: await text(stream) }
  }
  const first = await ask({})
  const own = first.set?.[0]?.split(';')[0] as string
  for (const [fields, left] of [
    [{ cookie: ['a=1', own, 'b=2'] }, 'a=1; b=2'],
    [{ cookie: own, 'x-copy': '1' }, undefined],
    [{ cookie: `a=1; ${own}`, 'x-copy': '1' }, 'a=1'],
  ] as const) {
    assert.deepEqual(await ask(fields as OutgoingHttpHeaders), { set: undefined, text: first.text })
    const { seen } = backends.find((_, i) => `b${i}` === first.text) as TestBackend
    assert.equal(seen.at(-1)?.headers.cookie, left)
  }
})

test('ip: clients are told apart by the address that is believed', async (t) => {
  const plain = await openPool(t, { AFFINITY: 'ip' })
  const one = await plain.ask()
  assert.deepEqual(cookiesOf(one), [])
  // Nobody is trusted to say another address.
  const said = Array.from({ length: 12 }, (_, i) => `10.0.0.${i}`)
  for (const address of said)
    assert.deepEqual((await plain.ask({ 'x-forwarded-for': address })).text, one.text)
  const behind = await openPool(t, { AFFINITY: 'ip', TRUST_PROXY: 'true' })
  const seen = new Set<string>()
  for (const address of [...said, '2001:db8::1', '2001:DB8::2']) {
    const [answer, ...others] = await answersTo(behind.ask, { 'x-forwarded-for': address })
    assert.deepEqual(others, [])
    seen.add(answer as string)
    if (!address.includes(':')) continue
    assert.equal((await behind.ask({ 'x-forwarded-for': address.toLowerCase() })).text, answer)
  }
  assert.equal(seen.size, 3)
})

test('header: requests with the same value go to one backend, and those without one to any', async (t) => {
  const { ask } = await openPool(t, { AFFINITY: 'header:X-Session' })
  const seen = new Set<string>()
  for (let i = 0; i < 12; i++) {
    const answers = await answersTo(ask, { 'x-session': `session ${i}` })
    assert.equal(answers.size, 1)
    for (const answer of answers) seen.add(answer)
  }
  assert.equal(seen.size, 3)
  assert.equal((await answersTo(ask, {})).size, 3)
  assert.equal((await answersTo(ask, { 'x-session': '' })).size, 3)
})

test('an upgrade goes to the backend of its key, and its 101 sets the cookie', async (t) => {
  const { gateway, ask } = await openPool(t, { AFFINITY: 'cookie' })
  const { hostname, port } = new URL(gateway.url)
  const upgrade = async (cookie: string) => {
    const socket = connect(Number(port), hostname)
    let answer = ''
    socket.setEncoding('latin1').on('data', (chunk) => (answer += chunk))
    socket.write(`GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: test\r\n${cookie}\r\n`)
    await once(socket, 'close')
    assert.match(answer, /^HTTP\/1.1 101 /)
    return { answer: answer.slice(-2), cookie: /set-cookie: (leastwise=[^;]+)/i.exec(answer)?.[1] }
  }
  const first = await upgrade('')
  assert.ok(first.cookie)
  assert.deepEqual(await answersTo(ask, { cookie: first.cookie as string }), new Set([first.answer]))
  for (let i = 0; i < 5; i++) {
    const again = await upgrade(`Cookie: ${first.cookie}\r\n`)
    assert.deepEqual(again, { answer: first.answer, cookie: undefined })
  }
})

test('the admin API explains where the requests of a key go', async (t) => {
  const backends = await openBackends(t)
  const app = Fastify()
  t.after(() => app.close())
  const urls = backends.map(({ url }, i) => ({ url, id: `b${i}` }))
  const admin = { token: 'token' }
  await app.register(leastwise, { backends: urls, affinity: 'header:x-user', admin })
  for (const key of ['ann', 'bob', 'carol', 'dave']) {
    const explained = await app.inject({
      method: 'POST',
      url: '/admin/explain',
      headers: { authorization: 'Bearer token' },
      payload: { key },
    })
    const { backend, why, backends: order } = explained.json()
    assert.match(why, /: the backend of the key$/)
    assert.deepEqual(
      order.map(({ score, parts }: { score: number; parts: object }) => ({ score, ...parts })),
      [0, 1, 2].map((place) => ({ score: place, place, limit: 12 })),
    )
    const { body } = await app.inject({ url: '/', headers: { 'x-user': key } })
    assert.equal(body, backend)
  }
})

test('off: no cookie is set, read or removed', async (t) => {
  const { ask, backends } = await openPool(t, {})
  const reply = await ask({ cookie: 'leastwise=1' })
  assert.deepEqual(cookiesOf(reply), [])
  assert.equal(backends.flatMap(({ seen }) => seen)[0]?.headers.cookie, 'leastwise=1')
})
