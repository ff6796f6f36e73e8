import assert from 'node:assert/strict'
import { connect } from 'node:http2'
import { after, before, test } from 'node:test'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import leastwise, { type LeastwiseOptions } from '../../src/index.js'
import { exchange, field, RawBackend, RawClient } from '../support/raw.js'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
let backend: RawBackend
const apps: FastifyInstance[] = []

before(async () => {
  backend = await new RawBackend(OK).listen()
})

after(async () => {
  for (const app of apps) await app.close()
  await backend.close()
})

type Prepare = (app: FastifyInstance) => void

/** An app with a pool, and what `prepare` gives it before that. */
async function open(prepare: Prepare, options: LeastwiseOptions = {}, own: object = {}): Promise<string> {
  const app = Fastify({ forceCloseConnections: true, ...own })
  apps.push(app)
  prepare(app)
  await app.register(leastwise, { backends: [backend.url], ...options })
  return await app.listen({ port: 0, host: '127.0.0.1' })
}

/** Says a request, the last on its connection, and returns what the backend heard of it. */
async function heard(url: string, fields: string, line = 'GET /'): Promise<string> {
  const answer = await exchange(url, `${line} HTTP/1.1\r\nHost: shop.example\r\n${fields}\r\n`)
  assert.match(answer, /^HTTP\/1\.1 200 /)
  return backend.last
}

const set =
  (fields: Record<string, string>, how: 'raw' | 'request' | 'replace' = 'raw') =>
  async (request: FastifyRequest) => {
    if (how === 'replace') request.headers = fields
    else Object.assign(how === 'raw' ? request.raw.headers : request.headers, fields)
  }

const hooks: Record<string, (app: FastifyInstance, fields: Record<string, string>) => void> = {
  onRequest: (app, fields) => app.addHook('onRequest', set(fields)),
  'onRequest, on request.headers': (app, fields) => app.addHook('onRequest', set(fields, 'request')),
  'onRequest, with other headers': (app, fields) => app.addHook('onRequest', set(fields, 'replace')),
  preParsing: (app, fields) =>
    app.addHook('preParsing', async (request) => void (await set(fields)(request))),
  preValidation: (app, fields) => app.addHook('preValidation', set(fields)),
  preHandler: (app, fields) => app.addHook('preHandler', set(fields)),
  'hook of a route': (app, fields) =>
    app.addHook('onRoute', (route) => {
      route.preHandler = set(fields)
    }),
  genReqId: (app, fields) =>
    app.setGenReqId((raw) => {
      Object.assign(raw.headers, fields)
      return 'id'
    }),
}

for (const [name, add] of Object.entries(hooks)) {
  test(`what a hook sets goes through, whatever the client says: ${name}`, async () => {
    const fields = {
      'x-user': 'alice',
      x_team: 'red',
      'x-forwarded-user': 'alice',
      'x-forwarded-proto': 'https',
      'x-forwarded-for': '203.0.113.7',
      'x-real-ip': '203.0.113.7',
    }
    for (const trustProxy of [false, true]) {
      const url = await open((app) => add(app, fields), { trustProxy })
      for (const value of ['alice', 'mallory', undefined]) {
        const given = value
          ? `X-User: ${value}\r\nX_Team: red\r\nX-Forwarded-User: ${value}\r\nX-Forwarded-Proto: https\r\n` +
            'X-Real-IP: 203.0.113.7\r\n'
          : ''
        const connection = `Connection: close, x-user, X_Team , x-forwarded-user,x-forwarded-proto, X-Real-IP\r\n`
        const text = await heard(url, given + connection)
        for (const [key, told] of Object.entries(fields))
          assert.equal(field(text, key), told, `${key} ${value}`)
        assert.match(
          field(text, 'forwarded') as string,
          /^for=203\.0\.113\.7;proto=https;host="shop\.example"$/,
        )
      }
    }
  })
}

test('a field of the app replaces that of the client, however its name is written', async () => {
  for (const how of ['raw', 'request', 'replace'] as const) {
    const fields = { 'X-User': 'alice', 'X-Forwarded-User': 'alice', 'X-Forwarded-For': '203.0.113.7' }
    const url = await open((app) => app.addHook('preHandler', set(fields, how)))
    const text = await heard(
      url,
      'X-User: mallory\r\nX-Forwarded-User: alice\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n',
    )
    const told = ['x-user', 'x-forwarded-user', 'x-forwarded-for'].map((name) => field(text, name))
    assert.deepEqual(told, ['alice', 'alice', '203.0.113.7'], how)
  }
})

test('a Host that a hook sets is that of the backend, and the client’s is in X-Forwarded-Host', async () => {
  for (const phase of ['onRequest', 'preHandler'] as const) {
    const url = await open((app) => app.addHook(phase as 'preHandler', set({ host: 'inner.example' })))
    for (const line of ['GET /', 'POST /', 'GET http://shop.example/']) {
      const text = await heard(url, 'Connection: close\r\n', line)
      assert.equal(field(text, 'host'), 'inner.example', `${phase} ${line}`)
      if (phase === 'preHandler') assert.equal(field(text, 'x-forwarded-host'), 'shop.example')
    }
  }
})

test('numbers are sent as text; what cannot be sent is the app’s error, told in its log, and nobody’s fault', async () => {
  const complaints: string[] = []
  const logger = { level: 'error', stream: { write: (line: string) => void complaints.push(line) } }
  let value: unknown = 42
  let name = 'x-number'
  let inFlight = () => -1
  const url = await open(
    (app) => {
      app.addHook('preHandler', async ({ raw }) => void Object.assign(raw.headers, { [name]: value }))
      inFlight = () => app.balancer.registry.inFlight
    },
    {},
    { logger },
  )
  assert.equal(field(await heard(url, 'Connection: close\r\n'), 'x-number'), '42')
  for ([name, value] of [
    ['x-user', 'a\r\nx-admin: 1'],
    ['x-user', 'caf\u0113'],
    ['x user', 'a'],
  ] as const) {
    for (const line of ['GET /', 'POST /']) {
      complaints.length = 0
      const answer = await exchange(url, `${line} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`)
      assert.match(answer, /^HTTP\/1\.1 500 [\s\S]*LEASTWISE_INTERNAL/)
      assert.match(
        complaints.join(),
        /a hook has set what cannot be sent to a backend: .*(x.user|header key)/,
      )
      assert.equal(inFlight(), 0)
    }
  }
})

test('what a client nominates is off before the first hook, also in the lines as they came', async () => {
  let seen: unknown
  const url = await open((app) =>
    app.addHook('onRequest', async ({ raw }) => {
      const { headers, rawHeaders, headersDistinct } = raw
      seen = [headers['x-user'], headersDistinct['x-user'], rawHeaders.includes('X-User'), headers['x-other']]
    }),
  )
  const text = await heard(
    url,
    'X-User: mallory\r\nX-Other: 1\r\nX-User: twice\r\nAuthorization: Basic eA==\r\nCookie: a=1\r\n' +
      'Connection: close, X-USER, authorization\r\nConnection: cookie\r\n',
  )
  assert.deepEqual(seen, [undefined, undefined, false, '1'])
  for (const name of ['x-user', 'authorization', 'cookie']) assert.equal(field(text, name), undefined, name)
  assert.equal(field(text, 'x-other'), '1')
})

test('framing, the Host and the way of a request cannot be nominated away', async () => {
  const url = await open(() => {}, { trustProxy: true })
  const text = await heard(
    url,
    'Connection: close, host, content-length, via, x-forwarded-for, x-request-id, constructor, __proto__\r\n' +
      'Via: 1.1 front\r\nX-Forwarded-For: 203.0.113.7\r\nX-Request-Id: mine\r\nContent-Length: 2\r\n\r\nhi',
    'POST /',
  )
  assert.match(text, /\r\n\r\nhi$/)
  assert.equal(field(text, 'host'), 'shop.example')
  assert.match(field(text, 'via') as string, /^1\.1 front, 1\.1 leastwise-/)
  assert.equal(field(text, 'x-forwarded-for'), '203.0.113.7, 127.0.0.1')
  assert.equal(field(text, 'x-request-id'), 'mine')
})

test('routes of the app get requests as they came', async () => {
  const url = await open(
    (app) => {
      app.get('/own', async ({ headers }) => [headers['x-user'], headers.x_user, headers['x-forwarded-for']])
    },
    { prefix: '/api' },
  )
  const fields = 'X-User: a\r\nX_User: b\r\nX-Forwarded-For: c\r\nConnection: close, x-user\r\n'
  const answer = await exchange(url, `GET /own HTTP/1.1\r\nHost: h\r\n${fields}\r\n`)
  assert.match(answer, /\["a","b","c"\]$/)
})

test('an app that takes ids from a field, and has a logger of its own making, is served as well', async () => {
  for (const id of ['X-Request-Id: given\r\n', '']) {
    const ids: string[] = []
    const made: unknown[] = []
    const url = await open(
      (app) => app.addHook('onRequest', async (request) => void ids.push(request.id)),
      {},
      {
        requestIdHeader: 'x-request-id',
        genReqId: () => 'made',
        logger: { level: 'silent' },
        childLoggerFactory(parent: FastifyInstance['log'], bindings: object, options: object) {
          made.push(bindings)
          return parent.child(bindings, options)
        },
      },
    )
    const text = await heard(url, `${id}X-User: mallory\r\nConnection: close, x-user\r\n`)
    assert.equal(field(text, 'x-user'), undefined)
    assert.deepEqual([ids, made], [[id ? 'given' : 'made'], [{ reqId: id ? 'given' : 'made' }]])
  }
})

test('an upgrade loses what it nominates, and stays one', async () => {
  let seen: unknown
  const url = await open((app) =>
    app.addHook('onRequest', async ({ raw: { headers } }) => {
      seen = [headers.upgrade, headers['x-user']]
      headers['x-user'] = 'alice'
    }),
  )
  backend.script = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n'
  const client = new RawClient(url).send(
    'GET / HTTP/1.1\r\nHost: h\r\nUpgrade: echo\r\nConnection: Upgrade, X-User\r\nX-User: mallory\r\n\r\n',
  )
  await client.until('101 Switching Protocols')
  client.close()
  backend.script = OK
  assert.deepEqual(seen, ['echo', undefined])
  assert.deepEqual([field(backend.last, 'x-user'), field(backend.last, 'upgrade')], ['alice', 'echo'])
})

test('HTTP/2 has no Connection; all else is the same', async () => {
  const url = await open(
    (app) => app.addHook('preHandler', set({ 'x-forwarded-user': 'alice', 'x-forwarded-proto': 'https' })),
    {},
    { http2: true },
  )
  const session = connect(url)
  const stream = session.request({
    'x-forwarded-user': 'alice',
    'x-forwarded-for': '6.6.6.6',
    'x-real-ip': '6.6.6.6',
    x_user: 'mallory',
  })
  for await (const _chunk of stream.resume());
  session.close()
  const told = ['x-forwarded-user', 'x-forwarded-for', 'x-real-ip', 'x_user', 'x-forwarded-proto'].map(
    (name) => field(backend.last, name),
  )
  assert.deepEqual(told, ['alice', '127.0.0.1', undefined, undefined, 'https'])
})

test('a request with more fields than are looked at is refused, and not forwarded without the rest', async () => {
  const url = await open(() => {})
  const many = (count: number) => Array.from({ length: count }, (_, i) => `a${i}: 1\r\n`).join('')
  const names = (count: number) =>
    `Connection: close${Array.from({ length: count }, (_, i) => `,n${i}`).join('')}\r\n`
  const refused = /^HTTP\/1\.1 431 [\s\S]*connection: close[\s\S]*"LEASTWISE_TOO_MANY_FIELDS"/
  const before = backend.requests.length
  const ask = (fields: string) => exchange(url, `GET / HTTP/1.1\r\nHost: h\r\n${fields}\r\n`)
  assert.match(await ask(`Connection: close\r\n${many(511)}`), refused)
  assert.match(await ask(names(100)), refused)
  // So many some versions of Node refuse themselves.
  assert.match(await ask(names(1000) + many(1000)), /^HTTP\/1\.1 431 /)
  assert.equal(backend.requests.length, before)
  assert.match(await ask(`Connection: close\r\n${many(510)}`), /^HTTP\/1\.1 200 /)
  assert.equal(field(backend.last, 'a509'), '1')
  assert.match(await ask(names(99)), /^HTTP\/1\.1 200 /)
})

test('the app’s server keeps its own limit, and what it forgets is not left out in silence', async () => {
  const limited = Fastify({ forceCloseConnections: true })
  apps.push(limited)
  limited.server.maxHeadersCount = 20
  await limited.register(leastwise, { backends: [backend.url] })
  const url = await limited.listen({ port: 0, host: '127.0.0.1' })
  assert.equal(limited.server.maxHeadersCount, 20)
  const before = backend.requests.length
  const padding = 'x: 1\r\n'.repeat(18)
  // The last one is that of the length: forgotten, the body would be a request.
  const lost = `POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n${padding}Content-Length: 2\r\n\r\nhi`
  // Some versions of Node refuse it themselves, all others forget the length.
  assert.match(await exchange(url, lost), /^HTTP\/1\.1 431 /)
  assert.equal(backend.requests.length, before)
  await heard(url, `Connection: close\r\n${'x: 1\r\n'.repeat(17)}`)

  const free = Fastify({ forceCloseConnections: true })
  apps.push(free)
  const own = free.server.maxHeadersCount
  await free.register(leastwise, { backends: [backend.url] })
  assert.equal(free.server.maxHeadersCount, own)
})

test('fields with an underscore are dropped, or passed where they stand for no other that is not', async () => {
  const given =
    'X_Forwarded_For: 6.6.6.6\r\nX_Real-IP: 6.6.6.6\r\nX-Request_Id: x\r\nX_User: me\r\nProxy: http://evil\r\n' +
    'Transfer_Encoding: chunked\r\nConnection: close\r\n'
  const names = ['x_forwarded_for', 'x_real-ip', 'x-request_id', 'proxy', 'transfer_encoding', 'x_user']
  for (const [underscoreHeaders, user] of [
    [undefined, undefined],
    ['drop', undefined],
    ['pass', 'me'],
  ] as const) {
    for (const trustProxy of [false, true]) {
      const url = await open(() => {}, { underscoreHeaders, trustProxy })
      const text = await heard(url, given)
      assert.deepEqual(
        names.map((name) => field(text, name)),
        [undefined, undefined, undefined, undefined, undefined, user],
      )
    }
  }
})
