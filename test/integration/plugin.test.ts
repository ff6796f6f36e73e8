import assert from 'node:assert/strict'
import { tracingChannel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request as httpRequest } from 'node:http'
import * as http2 from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import Fastify, { type FastifyReply } from 'fastify'
import leastwise, { type LeastwiseOptions } from '../../src/index.js'
import { answering, TestBackend } from '../support/backend.js'
import { call } from '../support/client.js'
import { root, start } from '../support/process.js'

const backends = await Promise.all([answering(), answering()])
const [first, second] = backends as [(typeof backends)[0], (typeof backends)[0]]
after(() => Promise.all(backends.map((backend) => backend.close())))

test('the host app is decorated, and its own routes stay untouched and uncounted', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  app.post('/own', async (request) => ({ parsed: request.body }))
  await app.register(leastwise, {
    prefix: '/api',
    backends: [first.url, { url: second.url, weight: 2 }],
    policy: 'least-connections',
    admin: { prefix: '/admin', token: 'x' },
    // Everything below would be shed if it were proxied.
    maxHeapBytes: 0,
  })
  app.get('/later', async () => 'later')
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const { registry, selector } = app.balancer
  assert.equal(selector.name, 'least-connections')
  assert.deepEqual(
    registry.list().map((backend) => [backend.url, backend.weight]),
    [
      [first.url, 1],
      [second.url, 2],
    ],
  )
  assert.equal(app.balancers.get('default'), app.balancer)

  const own = await call(`${url}/own`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"a":1}',
  })
  assert.equal(own.text, '{"parsed":{"a":1}}')
  assert.equal((await call(`${url}/later`)).text, 'later')
  assert.equal((await call(`${url}/nothing`)).status, 404)
  assert.equal((await call(`${url}/apiary`)).status, 404, 'a prefix ends at a segment')
  const invalid = await call(`${url}/own`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{',
  })
  assert.equal(JSON.parse(invalid.text).code, 'FST_ERR_CTP_INVALID_JSON_BODY', "the app's own errors, too")
  assert.equal(
    registry.list().reduce((sum, backend) => sum + backend.leases.total, 0),
    0,
  )

  for (const [path, reached] of [
    ['/api', '/'],
    ['/api/', '/'],
    ['/api/users?id=1', '/users?id=1'],
    ['/api//api', '//api'],
  ]) {
    const before = first.total
    assert.equal((await call(url + path)).text, 'ok')
    const backend = first.total > before ? first : second
    assert.equal(backend.seen.at(-1)?.url, reached)
  }
  assert.equal(
    registry.list().reduce((sum, backend) => sum + backend.leases.total, 0),
    4,
  )
})

test('two pools in one app do not see each other', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(leastwise, {
    name: 'users',
    prefix: '/users',
    backends: [first.url],
    admin: { prefix: '/admin/users', token: 'u' },
  })
  await app.register(leastwise, {
    name: 'orders',
    prefix: '/orders',
    rewritePrefix: '/v2/orders',
    policy: 'round-robin',
    backends: [second.url],
    admin: { prefix: '/admin/orders', token: 'o' },
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const [users, orders] = [app.balancers.get('users'), app.balancers.get('orders')]
  assert.equal(app.balancer, users, 'the first is the default')
  await call(`${url}/users/1`)
  await call(`${url}/orders/2`)
  assert.equal(first.seen.at(-1)?.url, '/1')
  assert.equal(second.seen.at(-1)?.url, '/v2/orders/2')
  assert.deepEqual(
    [users?.registry.list()[0]?.leases.total, orders?.registry.list()[0]?.leases.total],
    [1, 1],
  )
  const policy = await call(`${url}/admin/orders/policy`, { headers: { authorization: 'Bearer o' } })
  assert.equal(policy.text, '{"policy":"round-robin"}')
  assert.equal(
    (await call(`${url}/admin/users/policy`, { headers: { authorization: 'Bearer o' } })).status,
    401,
  )
})

test('an app may ignore slashes at the end', async (t) => {
  for (const prefix of ['', '/api']) {
    const app = Fastify({ routerOptions: { ignoreTrailingSlash: true } })
    t.after(() => app.close())
    await app.register(leastwise, { prefix, backends: [first.url], admin: { token: 't' } })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const headers = { authorization: 'Bearer t' }
    const before = first.seen.length
    assert.equal((await call(`${url}/admin`)).status, 308)
    assert.match((await call(`${url}/admin/`)).text, /<title>leastwise/)
    for (const path of ['/admin/policy', '/admin/policy/']) {
      assert.equal((await call(`${url}${path}`, { headers })).status, 200, path)
    }
    for (const path of ['/admin', '/admin/', '/admin/nothing']) {
      assert.equal((await call(`${url}${path}`, { method: 'POST', headers })).status, 404, path)
    }
    assert.equal(first.seen.length, before, 'no backend saw the token')
    await call(`${url}${prefix}/users/`)
    assert.equal(first.seen.at(-1)?.url, '/users/')
  }
})

test('in a scope with a prefix of its own the whole prefix is taken off', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(
    async (scope) => {
      await scope.register(leastwise, { prefix: '/users', backends: [first.url] })
      assert.equal(scope.balancer.registry.size, 1)
    },
    { prefix: '/v1' },
  )
  assert.equal((await app.inject({ url: '/v1/users/7?x=1' })).body, 'ok', 'and inject works')
  assert.equal(first.seen.at(-1)?.url, '/7?x=1')
  assert.equal(app.hasDecorator('balancer'), false)
})

test('an HTTP/2 app works the same, and the backend sees the authority as its Host', async (t) => {
  const app = Fastify({ http2: true })
  await app.register(leastwise, { backends: [first.url], maxBody: 10 })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const session = http2.connect(url)
  t.after(() => {
    session.destroy()
    return app.close()
  })
  const ask = async (headers: http2.OutgoingHttpHeaders, body?: string) => {
    const stream = session.request({ ':authority': 'shop.example', ...headers })
    stream.end(body)
    const [answer] = await once(stream, 'response')
    const text = (await stream.setEncoding('utf8').toArray()).join('')
    return { status: answer[':status'], text }
  }
  assert.deepEqual(await ask({ ':path': '/two' }), { status: 200, text: 'ok' })
  const { url: path, headers } = first.seen.at(-1) ?? {}
  assert.deepEqual(
    [path, headers?.host, headers?.['x-forwarded-host']],
    ['/two', 'shop.example', 'shop.example'],
  )
  assert.equal((await ask({ ':path': '/', ':method': 'POST' }, 'hello')).status, 200)
  assert.equal((await ask({ ':path': '/', ':method': 'POST' }, 'more than ten bytes')).status, 413)
  assert.equal(app.balancer.registry.inFlight, 0)
})

test('a wrong option stops the start by its name', async () => {
  const wrong: [object, RegExp][] = [
    [{ polcy: 'round-robin' }, /option "polcy" is not known: "policy" was probably meant/],
    [{ port: 80 }, /option "port" is not known: the stand-alone gateway alone has that setting/],
    [{ colour: 1 }, /option "colour" is not known$/],
    [{ policy: 'best' }, /option "policy" does not accept "best"/],
    [
      { backends: ['http://a', 'http://b/x'] },
      /option "backends\[1\]" does not accept "http:\/\/b\/x": url must not have a path/,
    ],
    [
      { backends: [{ url: '10.0.0.1:80' }] },
      /option "backends\[0\].url" does not accept .* http:\/\/10\.0\.0\.1:80 was probably meant/,
    ],
    [
      { backends: ['http://a', { url: 'http://u:hush@b' }] },
      /"backends\[1\].url" does not accept "http:\/\/\*\*\*@b"/,
    ],
    [
      { backends: ['http://a', { url: 'http://a' }] },
      /"backends\[1\]" does not accept .*: one before it has/,
    ],
    [{ backends: 'http://a' }, /option "backends"/],
    [{ backends: [null] }, /option "backends\[0\]"/],
    [
      { backends: [{ url: 'http://a', weigth: 2 }] },
      /option "backends\[0\].weigth" is not known: "backends\[0\].weight"/,
    ],
    [
      { backends: ['http://b', { url: 'http://a', weight: '2' }] },
      /"backends\[1\].weight" does not accept "2": weight must be a whole number/,
    ],
    [{ healthInitial: 'unusable' }, /"healthInitial" does not accept "unusable": .*"healthPath" is empty/],
    [{ backends: [{ url: 'http://a', backup: 'yes' }] }, /backup must be true or false/],
    [{ backends: [{ url: 'http://a', hostHeader: 'x' }] }, /"backends\[0\].hostHeader" .* must be/],
    [{ backends: [{}] }, /"backends\[0\].url" does not accept undefined: url must start with/],
    [{ admin: { token: 'x', path: '/a' } }, /option "admin.path" is not known/],
    [{ maxBody: '10' }, /option "maxBody" does not accept "10"/],
    [{ prefix: 'api' }, /option "prefix"/],
    [{ prefix: 5 }, /option "prefix"/],
    [{ name: '' }, /option "name"/],
    [{ admin: {} }, /admin\.token/],
    [{ admin: { token: 'x', prefix: 'x' } }, /admin\.prefix/],
    [{ accessLog: 'yes' }, /accessLog/],
    [{ methods: [] }, /option "methods" does not accept \[\]/],
    [{ methods: ['GET', 'CONNECT'] }, /option "methods\[1\]" does not accept "CONNECT"/],
    [{ methods: 'GET' }, /option "methods" does not accept "GET"/],
    [{ constraints: 'a' }, /option "constraints" does not accept "a"/],
    [{ constraints: { host: 5 } }, /option "constraints.host" does not accept 5/],
    [{ constraints: { version: /1/ } }, /option "constraints.version" does not accept/],
    [{ errors: 'mine' }, /option "errors" does not accept "mine": it takes "own" or "app"/],
    [{ foreignUpgrades: '/x' }, /option "foreignUpgrades" does not accept "\/x"/],
    [{ foreignUpgrades: ['/x', 'y'] }, /option "foreignUpgrades\[1\]" does not accept "y"/],
  ]
  for (const [options, message] of wrong) {
    const app = Fastify()
    await assert.rejects(
      async () => await app.register(leastwise, options as LeastwiseOptions),
      message,
      JSON.stringify(options),
    )
  }
})

test('a second pool of one name is refused', async () => {
  const app = Fastify()
  await app.register(leastwise, { prefix: '/a' })
  await assert.rejects(async () => await app.register(leastwise, { prefix: '/b' }), /a pool named "default"/)
})

test('it lives beside the host app’s own under-pressure, and is shed by itself alone', async (t) => {
  const { default: underPressure } = await import('@fastify/under-pressure')
  const app = Fastify()
  t.after(() => app.close())
  await app.register(underPressure, {})
  app.get('/own', async () => 'own')
  // A heap of one byte: overloaded from the first sample on.
  await app.register(leastwise, {
    prefix: '/api',
    backends: [first.url],
    maxHeapBytes: 1,
    admin: { token: 'x' },
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const before = first.total
  let shed = await call(`${url}/api`)
  let served = 0
  while (shed.status === 200) {
    served++
    shed = await call(`${url}/api`)
  }
  assert.deepEqual([shed.status, JSON.parse(shed.text).code], [503, 'LEASTWISE_OVERLOADED'])
  assert.ok(shed.headers['retry-after'])
  assert.equal(first.total - before, served)
  assert.equal(app.balancer.registry.list()[0]?.leases.total, served, 'shed without a lease')
  assert.equal((await call(`${url}/own`)).text, 'own')
  assert.equal((await call(`${url}/nothing`)).status, 404)
  assert.equal((await call(`${url}/admin/backends`, { headers: { authorization: 'Bearer x' } })).status, 200)
})

test('app.close() leaves no socket and no timer: the process ends by itself', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'leastwise-'))
  t.after(() => rm(folder, { recursive: true }))
  const script = join(folder, 'app.mjs')
  writeFileSync(
    script,
    `
    import { request } from 'node:http'
    const { default: Fastify } = await import(${JSON.stringify(join(root, 'node_modules/fastify/fastify.js'))})
    const { default: leastwise } = await import(${JSON.stringify(join(root, 'dist/src/index.js'))})
    const app = Fastify()
    for (const name of ['a', 'b']) {
      await app.register(leastwise, { name, prefix: '/' + name, backends: ['${first.url}'], admin: { prefix: '/admin/' + name, token: 'x' } })
    }
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const get = (path) => new Promise((resolve) => request(url + path, (r) => r.resume().on('end', resolve)).end())
    await Promise.all(Array.from({ length: 20 }, (_, i) => get(i % 2 ? '/a' : '/b')))
    // A drain that waits has a deadline.
    const { registry } = app.balancers.get('a')
    app.balancers.get('a').acquire()
    registry.drain(registry.list()[0].id)
    await app.close()
    process.on('exit', () => console.log('left:', process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name)).join()))
    `,
  )
  const { code, stdout, stderr } = await start([script]).ended
  assert.deepEqual([code, stdout, stderr], [0, 'left: \n', ''])
  while (first.sockets.size > 0) await new Promise(setImmediate)
})

test('app.close() closes the connections to the backends', async () => {
  const backend = await answering()
  // They would be kept for longer than this test may take.
  backend.server.keepAliveTimeout = 600_000
  const app = Fastify()
  await app.register(leastwise, { backends: [backend.url] })
  assert.equal((await app.inject({ url: '/' })).body, 'ok')
  const [socket] = backend.sockets
  assert.ok(socket)
  await app.close()
  if (!socket.closed) await once(socket, 'close')
  await backend.close()
})

test('a connection whose answer had begun before closing is closed after it', async (t) => {
  let finish = () => {}
  const backend = await new TestBackend((_request, response) => {
    response.write('begin')
    finish = () => response.end('end')
  }).listen()
  t.after(() => backend.close())
  const app = Fastify()
  await app.register(leastwise, { backends: [backend.url] })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const request = httpRequest(url, { agent: new Agent({ keepAlive: true }) }).end()
  const [response] = await once(request, 'response')
  assert.equal(response.headers.connection, 'keep-alive')
  await once(response, 'data')
  const closed = app.close()
  finish()
  response.resume()
  // Not after the 72 seconds for which a connection is kept.
  await closed
})

test('a blocked event loop sheds proxied requests', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  app.get('/block', async () => {
    const end = performance.now() + 200
    while (performance.now() < end);
    return 'blocked'
  })
  await app.register(leastwise, { prefix: '/api', backends: [first.url], maxEventLoopDelay: 10 })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  let status = 200
  while (status === 200) {
    assert.equal((await call(`${url}/block`)).text, 'blocked')
    status = (await call(`${url}/api`)).status
  }
  assert.equal(status, 503)
})

test('a response that was under way when closing began is finished, and its connection closed after it', async () => {
  const app = Fastify()
  await app.register(leastwise, { backends: [first.url] })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const request = httpRequest(url, { agent: new Agent({ keepAlive: true }), method: 'POST' })
  request.write('begin')
  await once(first.server, 'arrived')
  const closed = app.close()
  request.end('end')
  const [response] = await once(request, 'response')
  assert.equal(response.statusCode, 200)
  response.resume()
  await closed
})

test('an onSend hook sees a stream, whether an answer came in one piece or not; without one nothing is made of it', async (t) => {
  const one = await new TestBackend((_request, response) => {
    response.setHeader('content-type', 'text/plain').end('typed')
  }).listen()
  t.after(() => one.close())
  const seen: string[] = []
  const watching = Fastify()
  await watching.register(leastwise, { prefix: '/p', backends: [one.url] })
  // Also one that is added later.
  watching.addHook('onSend', async (_request, _reply, payload) => {
    seen.push(typeof (payload as { pipe?: unknown })?.pipe)
    return payload
  })
  const routed = Fastify()
  routed.addHook('onRoute', (route) => {
    route.onSend = async (_request, _reply, payload) => {
      seen.push(typeof (payload as { pipe?: unknown })?.pipe)
      return payload
    }
  })
  await routed.register(leastwise, { prefix: '/p', backends: [one.url] })
  const plain = Fastify()
  await plain.register(leastwise, { prefix: '/p', backends: [one.url] })
  let writes = 0
  plain.server.on('connection', (socket) => {
    const { write } = socket
    socket.write = (...args: unknown[]) => {
      writes++
      return (write as (...args: unknown[]) => boolean).apply(socket, args)
    }
  })
  for (const app of [watching, routed, plain]) {
    t.after(() => app.close())
    await app.listen({ port: 0, host: '127.0.0.1' })
  }
  assert.equal((await call(`${watching.listeningOrigin}/p`)).text, 'typed')
  assert.deepEqual(seen, ['function'])
  assert.equal((await call(`${routed.listeningOrigin}/p`)).text, 'typed')
  assert.deepEqual(seen, ['function', 'function'])
  writes = 0
  assert.equal((await call(`${plain.listeningOrigin}/p`)).text, 'typed')
  assert.equal(writes, 1, 'head and body in one')
})

test('code of the app that wraps handlers, or watches them, waits for the response', async (t) => {
  const backend = await answering()
  t.after(() => backend.close())
  const app = Fastify()
  t.after(() => app.close())
  const order: string[] = []
  app.addHook('onRoute', (route) => {
    const { handler } = route
    route.handler = async function (request, reply) {
      const returned = await handler.call(this, request, reply)
      order.push(`handler ${reply.sent}`)
      return returned
    }
  })
  await app.register(leastwise, { prefix: '/p', backends: [backend.url] })
  await app.listen({ port: 0, host: '127.0.0.1' })
  assert.equal((await call(`${app.listeningOrigin}/p`)).text, 'ok')
  assert.deepEqual(order, ['handler true'])

  const watched = Fastify()
  t.after(() => watched.close())
  await watched.register(leastwise, { prefix: '/p', backends: [backend.url] })
  await watched.listen({ port: 0, host: '127.0.0.1' })
  let isSent: boolean | undefined
  const channel = tracingChannel('fastify.request.handler')
  const watcher = {
    start() {},
    end() {},
    asyncStart(message: object) {
      isSent = (message as { reply: FastifyReply }).reply.sent
    },
    asyncEnd() {},
    error() {},
  }
  channel.subscribe(watcher)
  t.after(() => channel.unsubscribe(watcher))
  assert.equal((await call(`${watched.listeningOrigin}/p`)).text, 'ok')
  assert.equal(isSent, true)
})
