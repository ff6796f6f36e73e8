import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify, { type InjectOptions } from 'fastify'
import { adminRoutes } from '../../../routes/admin.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import { policyNames } from '../../../src/balancer/selection/policies/index.js'
import leastwise from '../../../src/index.js'

const host = 'localhost'
const json = { host, 'content-type': 'application/json' }

async function admin(token?: string) {
  const balancer = new Balancer({ backends: [{ url: 'http://a:1', id: 'a' }], slowStart: 0 })
  const app = Fastify()
  await app.register(adminRoutes, { pools: new Map([['default', balancer]]), token })
  const send = async (
    method: string,
    url: string,
    payload?: unknown,
    headers: Record<string, string> = json,
  ) => {
    const options = {
      method,
      url,
      headers: payload === undefined ? { ...headers, 'content-type': undefined } : headers,
    }
    const reply = await app.inject({
      ...options,
      ...(payload !== undefined && {
        payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
      }),
    } as InjectOptions)
    return {
      status: reply.statusCode,
      headers: reply.headers,
      json: reply.body ? JSON.parse(reply.body) : undefined,
    }
  }
  return { app, balancer, send }
}

test('a backend is registered, read, changed, drained, activated and deleted', async () => {
  const { send } = await admin()
  const created = await send('POST', '/backends', { url: 'http://b:2', id: 'b', weight: 2 })
  assert.equal(created.status, 201)
  assert.equal(created.headers.location, '/backends/b')
  assert.deepEqual([created.json.id, created.json.weight, created.json.maxConnections], ['b', 2, null])
  assert.deepEqual((await send('GET', '/backends/b')).json, created.json)
  const list = await send('GET', '/backends')
  assert.deepEqual(
    list.json.backends.map(({ id }: { id: string }) => id),
    ['a', 'b'],
  )
  const patched = await send('PATCH', '/backends/b', { weight: 3, maxConnections: 4 })
  assert.deepEqual([patched.status, patched.json.weight, patched.json.maxConnections], [200, 3, 4])
  const drained = await send('POST', '/backends/b/drain', { timeout: 5 })
  assert.deepEqual([drained.status, drained.json.state], [202, 'draining'])
  const activated = await send('POST', '/backends/b/activate')
  assert.deepEqual([activated.status, activated.json.state], [200, 'active'])
  assert.equal((await send('POST', '/backends/b/drain')).status, 202, 'a body is optional')
  const removed = await send('DELETE', '/backends/b')
  assert.deepEqual([removed.status, removed.json.id], [202, 'b'])
  assert.equal((await send('GET', '/backends/b')).status, 404)
  const forced = await send('DELETE', '/backends/a?force=true')
  assert.deepEqual([forced.status, forced.json], [204, undefined])
})

test('a removal that waits shows the backend as draining', async () => {
  const { balancer, send } = await admin()
  const lease = balancer.acquire()
  assert.equal((await send('DELETE', '/backends/a')).json.state, 'draining')
  assert.equal((await send('POST', '/backends', { url: 'http://x:1', id: 'a' })).status, 409)
  lease.release('ok')
  assert.equal((await send('GET', '/backends/a')).status, 404)
})

test('the policy is read and switched', async () => {
  const { send } = await admin()
  assert.deepEqual((await send('GET', '/policy')).json, { policy: 'least-connections' })
  const put = await send('PUT', '/policy', { policy: 'round-robin' })
  assert.deepEqual([put.status, put.json], [200, { policy: 'round-robin' }])
  assert.deepEqual((await send('GET', '/policy')).json, { policy: 'round-robin' })
})

test('bad bodies get 400 with the field named, and change nothing', async () => {
  const { balancer, send } = await admin()
  const before = JSON.stringify(balancer.registry.list().map((backend) => backend.view()))
  const bad: [string, string, unknown, RegExp][] = [
    ['POST', '/backends', {}, /url/],
    ['POST', '/backends', undefined, /url/],
    ['POST', '/backends', { url: 5 }, /url/],
    ['POST', '/backends', { url: 'ftp://b' }, /url/],
    ['POST', '/backends', { url: 'http://u:p@b' }, /url must not have credentials/],
    ['POST', '/backends', { url: 'http://b/x' }, /url must not have a path/],
    ['POST', '/backends', { url: 'http://b?x' }, /url must not have a query/],
    ['POST', '/backends', { url: 'http://b#x' }, /url must not have a fragment/],
    ['POST', '/backends', { url: 'http://b', weight: '2' }, /weight/],
    ['POST', '/backends', { url: 'http://b', weight: 0 }, /weight/],
    ['POST', '/backends', { url: 'http://b', weight: 1.5 }, /weight/],
    ['POST', '/backends', { url: 'http://b', maxConnections: -1 }, /maxConnections/],
    ['POST', '/backends', { url: 'http://b', id: 'x/y' }, /id/],
    ['POST', '/backends', { url: 'http://b', id: null }, /id/],
    ['POST', '/backends', { url: 'http://b', hostHeader: 'x' }, /hostHeader/],
    ['POST', '/backends', { url: 'http://b', backup: 'yes' }, /backup must be true or false/],
    ['POST', '/backends', { url: 'http://b', healthPort: 0 }, /healthPort/],
    ['POST', '/backends', { url: 'http://b', healthHost: 'a b' }, /healthHost must be a host name/],
    ['POST', '/backends', { url: 'http://b', ca: '/ca.pem' }, /ca is only for a backend whose URL is https/],
    ['POST', '/backends', { url: 'unix:/b', ca: '/ca.pem' }, /ca is only for a backend whose URL is https/],
    ['POST', '/backends', { url: 'https://b', ca: '' }, /ca must be the path/],
    ['POST', '/backends', { url: 'https://b', cert: '/c.pem' }, /key is missing/],
    ['POST', '/backends', { url: 'https://b', key: '/k.pem' }, /cert is missing/],
    ['POST', '/backends', { url: 'https://b', servername: '::1' }, /servername must be a host name/],
    ['POST', '/backends', { url: 'https://b', rejectUnauthorized: 'no' }, /rejectUnauthorized/],
    ['POST', '/backends', { url: 'http://b', wieght: 2 }, /wieght/],
    ['POST', '/backends', '{"url":"http://b","__proto__":{"weight":2}}', /__proto__/],
    ['POST', '/backends', '{"url":', /JSON/],
    ['POST', '/backends', [], /body/],
    ['POST', '/backends', 'null', /body/],
    ['PATCH', '/backends/a', { url: 'http://b' }, /url/],
    ['PATCH', '/backends/a', { weight: null }, /weight/],
    ['PATCH', '/backends/a', { weight: 0 }, /weight .*drain/],
    ['PATCH', '/backends/a', { backup: null }, /backup/],
    ['PATCH', '/backends/a', { healthHost: 'a/b' }, /healthHost/],
    ['PATCH', '/backends/a', { servername: 'b' }, /servername is only for a backend whose URL is https/],
    ['POST', '/backends/a/drain', { timeout: -1 }, /timeout/],
    ['POST', '/backends/a/drain', { timeout: '5' }, /timeout/],
    ['POST', '/backends/a/drain', { timeout: 3e9 }, /timeout/],
    ['POST', '/backends/a/activate', { x: 1 }, /x/],
    ['DELETE', '/backends/a?force=maybe', undefined, /force/],
    ['DELETE', '/backends/a?force=1', undefined, /force/],
    ['DELETE', '/backends/a?force=true&force=true', undefined, /force/],
    ['DELETE', '/backends/a?timeout=', undefined, /timeout/],
    ['DELETE', '/backends/a?timeout=0.5', undefined, /timeout/],
    ['DELETE', '/backends/a?timeout=true', undefined, /timeout/],
    ['DELETE', '/backends/a?timeout=1e3', undefined, /timeout/],
    ['DELETE', '/backends/a?x=1', undefined, /x/],
    ['PUT', '/policy', { policy: 'best' }, new RegExp(`policy must be one of ${policyNames.join(', ')}`)],
    ['PUT', '/policy', {}, /policy/],
  ]
  for (const [method, url, body, message] of bad) {
    const { status, json } = await send(method, url, body)
    const what = `${method} ${url} ${JSON.stringify(body)}`
    assert.equal(status, 400, what)
    assert.match(json.message, message, what)
    assert.match(json.code, /^LEASTWISE_INVALID_(REQUEST|BACKEND)$/, what)
    assert.deepEqual(Object.keys(json), ['statusCode', 'code', 'error', 'message'])
  }
  assert.equal(JSON.stringify(balancer.registry.list().map((backend) => backend.view())), before)
  assert.equal(balancer.policy, 'least-connections')
})

test('a message names each field and what it takes, once', async () => {
  const { send } = await admin()
  const cases: [string, string, unknown, string][] = [
    [
      'PATCH',
      '/backends/a',
      { maxConnections: -1 },
      'body.maxConnections must be a whole number from 0 to 1000000, or null',
    ],
    [
      'PATCH',
      '/backends/a',
      { weight: 0, wieght: 2 },
      'body has unknown fields: wieght; body.weight must be a whole number from 1 to 1000 (drain a backend that is to get no new request)',
    ],
    ['POST', '/backends', [], 'body must be an object'],
    ['POST', '/backends', {}, 'body lacks url'],
    [
      'POST',
      '/backends',
      { url: 5, hostHeader: 5 },
      'body.url must be a string; body.hostHeader must be one of client, backend',
    ],
    [
      'DELETE',
      '/backends/a?timeout=abc',
      undefined,
      'querystring.timeout must be whole milliseconds, of nine digits at most',
    ],
    ['DELETE', '/backends/a?force=1', undefined, 'querystring.force must be one of true, false'],
  ]
  for (const [method, url, body, message] of cases) {
    assert.equal((await send(method, url, body)).json.message, message)
  }
})

test('doubles are 409, unknown ids 404, unknown paths 404', async () => {
  const { send } = await admin()
  for (const body of [{ url: 'http://a:1' }, { url: 'http://b:1', id: 'a' }]) {
    const { status, json } = await send('POST', '/backends', body)
    assert.deepEqual([status, json.code], [409, 'LEASTWISE_BACKEND_EXISTS'])
  }
  for (const [method, url] of [
    ['GET', '/backends/x'],
    ['PATCH', '/backends/x'],
    ['POST', '/backends/x/drain'],
    ['POST', '/backends/x/activate'],
    ['DELETE', '/backends/x'],
    ['DELETE', '/backends/x?force=true'],
  ] as const) {
    const { status, json } = await send(method, url)
    assert.deepEqual([status, json.code], [404, 'LEASTWISE_BACKEND_NOT_FOUND'], `${method} ${url}`)
  }
  const { status, json } = await send('GET', '/nothing')
  assert.deepEqual([status, json.code], [404, 'LEASTWISE_NOT_FOUND'])
})

test('a body that is no JSON is 400, and the message says where', async () => {
  const { send } = await admin()
  for (const [body, where] of [
    ['{"url": "http://b:2",}', '"}" is not expected at line 1, column 22'],
    ['{\n  "url": http://b:2\n}', '"h" is not expected at line 2, column 10'],
    ['{"url": "http://b:2"', 'it ends too early, at line 1, column 21'],
  ] as const) {
    const { status, json: refusal } = await send('POST', '/backends', body)
    assert.deepEqual(
      [status, refusal.code, refusal.message],
      [400, 'LEASTWISE_INVALID_REQUEST', `the body is not JSON: ${where}`],
    )
  }
})

test('what is not JSON is 415, what is too large 413', async () => {
  const { send } = await admin()
  const form = await send('POST', '/backends', 'url=http://b', {
    host,
    'content-type': 'application/x-www-form-urlencoded',
  })
  assert.deepEqual([form.status, form.json.code], [415, 'LEASTWISE_UNSUPPORTED_MEDIA_TYPE'])
  const large = await send('POST', '/backends', { url: 'x'.repeat(2_000_000) })
  assert.deepEqual([large.status, large.json.code], [413, 'LEASTWISE_BODY_TOO_LARGE'])
})

test('what would be chosen is explained, and what was is listed', async () => {
  const { balancer, send } = await admin()
  balancer.registry.add({ url: 'http://b:1', id: 'b' })
  const explained = await send('POST', '/explain', { except: ['a'], repeatable: false })
  assert.equal(explained.status, 200)
  assert.deepEqual(
    [explained.json.policy, explained.json.backend, explained.json.error],
    ['least-connections', 'b', null],
  )
  assert.deepEqual(
    explained.json.backends.map(({ id, available }: { id: string; available: boolean }) => [id, available]),
    [
      ['b', true],
      ['a', false],
    ],
  )
  assert.equal((await send('POST', '/explain')).json.backend, balancer.acquire().backend.id)
  const { json } = await send('GET', '/decisions?limit=1')
  assert.deepEqual([json.decisions.length, json.decisions[0].kind], [1, 'choice'])

  const unknown = await send('POST', '/explain', { except: ['x'] })
  assert.deepEqual([unknown.status, unknown.json.code], [404, 'LEASTWISE_BACKEND_NOT_FOUND'])
  const bad: [string, string, unknown, RegExp][] = [
    ['POST', '/explain', { except: 'a' }, /body\.except must be a list/],
    ['POST', '/explain', { repeatable: 'yes' }, /body\.repeatable must be true or false/],
    ['POST', '/explain', { backend: 'a' }, /backend/],
    ['GET', '/decisions?limit=0', undefined, /limit must be a whole number from 1 to 1000/],
    ['GET', '/decisions?limit=1001', undefined, /limit/],
    ['GET', '/decisions?last=5', undefined, /last/],
  ]
  for (const [method, url, body, message] of bad) {
    const { status, json } = await send(method, url, body)
    assert.deepEqual([status, json.code], [400, 'LEASTWISE_INVALID_REQUEST'], url)
    assert.match(json.message, message)
  }
})

test('livez always passes; readyz says why it does not', async () => {
  const { balancer, send } = await admin()
  assert.equal((await send('GET', '/livez')).status, 200)
  assert.equal((await send('GET', '/readyz')).status, 200)
  balancer.registry.drain('a')
  const none = await send('GET', '/readyz')
  assert.deepEqual([none.status, none.json.message], [503, 'no usable backend'])
  balancer.registry.activate('a')
  balancer.startClosing()
  const closing = await send('GET', '/readyz')
  assert.deepEqual([closing.status, closing.json.message], [503, 'shutting down'])
  assert.equal((await send('GET', '/livez')).status, 200)
})

test('with a token, only its bearer gets in; probes need none', async () => {
  const { send } = await admin('s3cret')
  const foreign = { host: 'admin.example' }
  const refused = [
    {},
    { authorization: 's3cret' },
    { authorization: 'Basic s3cret' },
    { authorization: 'Bearer' },
  ]
  for (const headers of [
    ...refused,
    { authorization: 'Bearer s3cre' },
    { authorization: 'Bearer s3crets' },
  ]) {
    for (const [method, url] of [
      ['GET', '/backends'],
      ['POST', '/backends'],
      ['DELETE', '/backends/a?force=true'],
      ['GET', '/policy'],
      ['GET', '/nothing'],
    ] as const) {
      const { status, json, headers: answer } = await send(method, url, undefined, { ...foreign, ...headers })
      assert.deepEqual([status, json.code], [401, 'LEASTWISE_UNAUTHORIZED'])
      assert.equal(answer['www-authenticate'], 'Bearer')
    }
  }
  assert.equal(
    (await send('GET', '/backends', undefined, { ...foreign, authorization: 'Bearer s3cret' })).status,
    200,
  )
  assert.equal(
    (await send('GET', '/backends', undefined, { ...foreign, authorization: 'bearer s3cret' })).status,
    200,
  )
  assert.equal((await send('GET', '/livez', undefined, foreign)).status, 200)
  assert.equal((await send('GET', '/readyz', undefined, foreign)).status, 200)
})

test('without a token, only requests to loopback and from no other origin are answered', async () => {
  const { send } = await admin()
  for (const name of [
    'localhost',
    'LOCALHOST:3001',
    '127.0.0.1',
    '127.0.0.1:3001',
    '127.1.2.3:80',
    '[::1]:3001',
    '[::1]',
  ]) {
    assert.equal((await send('GET', '/backends', undefined, { host: name })).status, 200, name)
  }
  for (const name of [
    'evil.example',
    'evil.example:3001',
    'localhost.evil.example',
    '10.0.0.1',
    '127.0.0.1.evil.example',
    '127.0.0.1@evil.example',
    '[::2]',
    '0.0.0.0',
  ]) {
    const { status, json } = await send('GET', '/backends', undefined, { host: name })
    assert.deepEqual([status, json.code], [403, 'LEASTWISE_FORBIDDEN'], name)
  }
  const own = { ...json, host: 'localhost:3001', origin: 'http://localhost:3001' }
  assert.equal((await send('POST', '/backends', { url: 'http://own:1' }, own)).status, 201)
  for (const origin of [
    'http://evil.example',
    'http://localhost:8080',
    'null',
    'http://localhost:3001.evil.example',
  ]) {
    const { status } = await send('POST', '/backends', { url: 'http://b:1' }, { ...own, origin })
    assert.equal(status, 403, origin)
  }
  const fetched = async (site: string, mode: string) => {
    const headers = { host: 'localhost:3001', 'sec-fetch-site': site, 'sec-fetch-mode': mode }
    return (await send('GET', '/backends', undefined, headers)).status
  }
  assert.deepEqual(
    [
      await fetched('same-origin', 'cors'),
      await fetched('none', 'navigate'),
      await fetched('cross-site', 'navigate'),
    ],
    [200, 200, 200],
  )
  assert.deepEqual(
    [await fetched('cross-site', 'no-cors'), await fetched('same-site', 'no-cors')],
    [403, 403],
  )
})

test('in a host app the admin API stands under its prefix, and only with a token', async () => {
  const app = Fastify()
  await app.register(leastwise, { backends: ['http://127.0.0.1:9'], admin: { prefix: '/ops', token: 'x' } })
  const headers = { authorization: 'Bearer x' }
  const created = await app.inject({
    method: 'POST',
    url: '/ops/backends',
    headers,
    payload: { url: 'http://b:1', id: 'b' },
  })
  assert.deepEqual([created.statusCode, created.headers.location], [201, '/ops/backends/b'])
  assert.equal((await app.inject({ url: '/ops/backends' })).statusCode, 401)
  const unknown = await app.inject({ url: '/ops/nothing', headers })
  assert.deepEqual([unknown.statusCode, unknown.json().code], [404, 'LEASTWISE_NOT_FOUND'], 'not proxied')
  for (const url of ['/ops', '/ops/', '/ops/nothing']) {
    assert.equal((await app.inject({ url, method: 'POST' })).statusCode, 401)
    const posted = await app.inject({ url, method: 'POST', headers })
    assert.deepEqual([posted.statusCode, posted.json().code], [404, 'LEASTWISE_NOT_FOUND'], 'nor is this')
  }
  await app.close()

  // Nor do an app's own serialisers concern it.
  const zealous = Fastify()
  zealous.setSerializerCompiler(() => {
    throw new Error('not my schema')
  })
  zealous.setReplySerializer((payload) => JSON.stringify({ wrapped: payload }))
  await zealous.register(leastwise, { admin: { token: 'x' } })
  const policy = await zealous.inject({ url: '/admin/policy', headers })
  assert.equal(policy.body, '{"policy":"least-connections"}')
  assert.equal((await zealous.inject({ url: '/admin/policy' })).json().code, 'LEASTWISE_UNAUTHORIZED')
  assert.equal((await zealous.inject({ url: '/' })).json().code, 'LEASTWISE_NO_BACKEND')
  await zealous.close()

  for (const token of [undefined, '', 'two words']) {
    const bare = Fastify()
    await assert.rejects(async () => await bare.register(leastwise, { admin: { token } }), /admin\.token/)
  }
})
