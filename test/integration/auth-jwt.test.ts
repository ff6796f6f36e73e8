import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import type { Server } from 'node:net'
import { after, type TestContext, test } from 'node:test'
import Fastify from 'fastify'
import { CompactSign } from 'jose'
import { WebSocket, WebSocketServer } from 'ws'
import { authPlugin } from '../../plugins/auth.js'
import { KeySets } from '../../src/auth/keys/key-sets.js'
import { systemClock } from '../../src/balancer/time/clock.js'
import type { JwtConfig } from '../../src/config/file/gateway-config.js'
import { TestBackend } from '../support/backend.js'
import { call, type Reply } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { guardedApp } from '../support/guarded-app.js'
import { AUDIENCE, goodClaims, ISSUER, issuerKey, keyServer, sign } from '../support/key-server.js'
import { exchange, RawBackend, RawClient } from '../support/raw.js'
import { until } from '../support/until.js'

const [rsa, ec, ed, small, foreign] = await Promise.all([
  issuerKey('rsa', 'RS256'),
  issuerKey('ec'),
  issuerKey('ed', 'EdDSA'),
  issuerKey('small', 'RS256', 1024),
  issuerKey('ec'),
])
const issuer = await keyServer([rsa, ec, ed, small])
const backend = await new RawBackend('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok').listen()
const keySets = new KeySets()
after(async () => {
  keySets.close()
  await issuer.close()
  await backend.close()
})

const config = (changes: Partial<JwtConfig> = {}): JwtConfig => ({
  keys: { jwks: issuer.jwks },
  algorithms: ['RS256', 'ES256', 'EdDSA'],
  issuer: [ISSUER],
  audience: [AUDIENCE],
  clockTolerance: 0,
  forward: { sub: 'x-user', roles: 'x-roles' },
  ...changes,
})

const guarded = (t: TestContext, jwt = config(), options: Parameters<typeof guardedApp>[2] = {}) =>
  guardedApp(t, { jwt }, { backends: [backend.url], keySets, ...options })

const asks = (url: string, token: string): Promise<Reply> =>
  call(url, { headers: { authorization: `Bearer ${token}` } })

const connectionsOf = (server: Server): Promise<number> =>
  new Promise((resolve) => server.getConnections((_error, count) => resolve(count)))

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

test('a good token of any algorithm is admitted, again and again', async (t) => {
  const { url } = await guarded(t)
  for (const key of [rsa, ec, ed]) {
    const token = await sign(key)
    for (const time of ['first', 'second']) {
      assert.equal((await asks(url, token)).status, 200, `${key.alg}, ${time} time`)
      assert.match(backend.last, /^x-user: alice\r$/m)
      // A backend may want to look at the token as well.
      assert.ok(backend.last.includes(`authorization: Bearer ${token}`))
    }
  }
  assert.equal(issuer.total, 1, 'the keys are fetched once')
})

test('whatever is wrong with a token, it is refused, reaches no backend and takes no lease', async (t) => {
  const { url, scope } = await guarded(t)
  const before = backend.requests.length
  const good = await sign(ec)
  const [head = '', body = '', signature = ''] = good.split('.')
  const claims = goodClaims()
  const now = Math.floor(Date.now() / 1000)
  const hmac = (secret: string | Buffer, header: object) => {
    const input = `${encode(header)}.${encode(claims)}`
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
  }
  const signBytes = (text: string) =>
    new CompactSign(Buffer.from(text)).setProtectedHeader({ alg: 'ES256', kid: 'ec' }).sign(ec.privateKey)
  const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string
  const refused: Record<string, string> = {
    'alg none': `${encode({ alg: 'none' })}.${encode(claims)}.`,
    'alg none with a signature': `${encode({ alg: 'none', kid: 'ec' })}.${encode(claims)}.${signature}`,
    'alg NoNe': `${encode({ alg: 'NoNe', kid: 'ec' })}.${encode(claims)}.${signature}`,
    'alg of the prototype': `${encode({ alg: 'constructor', kid: 'ec' })}.${encode(claims)}.${signature}`,
    'no alg': `${encode({ kid: 'ec' })}.${encode(claims)}.${signature}`,
    'a public key as the secret of an HMAC': hmac(pem, { alg: 'HS256', kid: 'rsa' }),
    'the same without a name of the key': hmac(pem, { alg: 'HS256' }),
    "another issuer's key of the same name": await sign(foreign),
    'a key in its own header': await sign(foreign, claims, { jwk: foreign.jwk }),
    'an address of keys in its own header': await sign(foreign, claims, {
      jku: issuer.jwks,
      x5u: issuer.url,
    }),
    'a critical part that is not understood': await sign(ec, claims, { crit: ['b64'], b64: true }),
    'a key that is too small': `${encode({ alg: 'RS256', kid: 'small' })}.${encode(claims)}.${signature}`,
    'an algorithm that is not the one of its key': `${encode({ alg: 'RS256', kid: 'ec' })}.${encode(claims)}.${signature}`,
    'an algorithm that is not allowed': `${encode({ alg: 'PS256', kid: 'rsa' })}.${encode(claims)}.${signature}`,
    'another issuer': await sign(ec, { ...claims, iss: 'https://other.example' }),
    'no issuer': await sign(ec, { ...claims, iss: undefined }),
    'another audience': await sign(ec, { ...claims, aud: ['other', 'shops'] }),
    'no audience': await sign(ec, { ...claims, aud: undefined }),
    'expired by a second': await sign(ec, { ...claims, exp: now - 1 }),
    'expires now': await sign(ec, { ...claims, exp: now }),
    'no expiry': await sign(ec, { ...claims, exp: undefined }),
    'an expiry that is no number': await sign(ec, { ...claims, exp: `${now + 60}` as unknown }),
    'not valid yet': await sign(ec, { ...claims, nbf: now + 30 }),
    'other claims under the same signature': `${head}.${encode({ ...claims, sub: 'root' })}.${signature}`,
    'a signature that is cut': good.slice(0, -4),
    'no signature': `${head}.${body}.`,
    'too long, and good apart from that': await sign(ec, { ...claims, padding: 'p'.repeat(9300) }),
    'a subject that is too long for a field': await sign(ec, { ...claims, sub: 'ü'.repeat(700) }),
    'five parts': `${good}.${good}`,
    garbage: 'garbage',
    'garbage in three parts': 'a.b.c',
    'a header that is no object': `${encode(null)}.${body}.${signature}`,
    'a key name that is no text': `${encode({ alg: 'ES256', kid: { a: 1 } })}.${body}.${signature}`,
    'claims that are no object': await signBytes('[1]'),
    'a subject that is no Unicode': await signBytes(JSON.stringify({ ...claims, sub: '\ud800' })),
    'claims that are no JSON': await signBytes('{'),
  }
  for (const [what, token] of Object.entries(refused)) {
    const reply = await asks(url, token)
    assert.equal(reply.status, 401, what)
    const { statusCode, code, error, message } = JSON.parse(reply.text)
    assert.deepEqual([statusCode, code, error], [401, 'LEASTWISE_UNAUTHORIZED', 'Unauthorized'], what)
    assert.equal(
      reply.headers['www-authenticate'],
      `Bearer error="invalid_token", error_description="${message}"`,
      what,
    )
    assert.ok(!reply.text.includes(signature) && !reply.text.includes('alice'), what)
  }
  assert.match((await asks(url, refused['expired by a second'] as string)).text, /the token has expired/)
  assert.match((await asks(url, refused['another audience'] as string)).text, /another audience/)
  for (const what of ['a subject that is no Unicode', 'a subject that is too long for a field']) {
    assert.match((await asks(url, refused[what] as string)).text, /a claim of the token cannot be forwarded/)
  }
  // Without credentials of this kind there is no error to tell, RFC 6750 section 3.1.
  for (const headers of [{}, { authorization: 'Basic YTpi' }, { authorization: 'Bearerx a.b.c' }]) {
    const reply = await call(`${url}?access_token=${good}`, { headers })
    assert.deepEqual([reply.status, reply.headers['www-authenticate']], [401, 'Bearer'])
  }
  assert.equal(backend.requests.length, before, 'the backend has seen none of them')
  const [entry] = scope.balancer.registry.list()
  assert.deepEqual([entry?.leases.total, entry?.inFlight], [0, 0])
  assert.equal((await asks(url, good)).status, 200)
  // A token of an issuer that lists all groups of a user.
  assert.equal((await asks(url, await sign(ec, { ...claims, groups: 'p'.repeat(8000) }))).status, 200)
})

test('clocks may differ by as much as is configured, and not more', async (t) => {
  const { url } = await guarded(t, config({ clockTolerance: 20_000 }))
  const now = Math.floor(Date.now() / 1000)
  const status = async (claims: object) =>
    (await asks(url, await sign(ec, { ...goodClaims(), ...claims }))).status
  assert.equal(await status({ exp: now - 10 }), 200)
  assert.equal(await status({ exp: now - 21 }), 401)
  assert.equal(await status({ nbf: now + 10 }), 200)
  assert.equal(await status({ nbf: now + 40 }), 401)
})

test('two Authorization fields are refused, whichever is good', async (t) => {
  const { url } = await guarded(t)
  const good = `Authorization: Bearer ${await sign(ec)}\r\n`
  for (const fields of [`${good}${good}`, `${good}authorization: Basic YTpi\r\n`]) {
    const answer = await exchange(url, `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${fields}\r\n`)
    assert.match(answer, /^HTTP\/1\.1 401 /)
    assert.match(answer, /LEASTWISE_UNAUTHORIZED/)
  }
})

test('a client cannot set a field that has a claim', async (t) => {
  for (const underscoreHeaders of ['drop', 'pass'] as const) {
    const { url } = await guarded(t, config(), { underscoreHeaders })
    const forged = [
      'x-user: root\r\n',
      'X-USER: root\r\nX-User: root\r\n',
      'x_user: root\r\n',
      'X_Roles: root\r\nx-roles: root\r\n',
      'Connection: x-user, x-roles\r\nx-user: root\r\n',
      'Connection: x-user\r\n',
    ]
    for (const fields of forged) {
      for (const [claims, user] of [
        [{}, 'alice'],
        [{ sub: undefined }, undefined],
      ] as const) {
        const token = await sign(ec, { ...goodClaims(), ...claims })
        const answer = await exchange(
          url,
          `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\n${fields}\r\n`,
        )
        assert.match(answer, /^HTTP\/1\.1 200 /)
        const sent = [...backend.last.matchAll(/^x[-_](?:user|roles): (.*)\r$/gim)].map(([, value]) => value)
        assert.deepEqual(sent, user === undefined ? [] : [user], `${underscoreHeaders}: ${fields}`)
      }
    }
  }
})

test('nor can it send such a field as a trailer', async (t) => {
  const { url } = await guarded(t, config(), { underscoreHeaders: 'pass' })
  const head = `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer ${await sign(ec)}\r\n`
  const body = '2\r\nhi\r\n0\r\nX-User: root\r\nx_user: root\r\nX-Sum: 1\r\n\r\n'
  const answer = await exchange(url, `${head}Transfer-Encoding: chunked\r\n\r\n${body}`)
  assert.match(answer, /^HTTP\/1\.1 200 /)
  assert.match(backend.last, /^x-user: alice\r$/m)
  assert.match(backend.last, /\r\n0\r\nX-Sum: 1\r\n\r\n$/i)
})

test('claims are sent so that a backend reads what the issuer wrote', async (t) => {
  const { url } = await guarded(
    t,
    config({ forward: { sub: 'x-user', 'https://a/roles': 'x-forwarded-groups' } }),
  )
  const sent = async (claims: object) => {
    await asks(url, await sign(ec, { ...goodClaims(), ...claims }))
    return /^x-user: (.*)\r$/m.exec(backend.last)?.[1]
  }
  assert.equal(await sent({ sub: 'a\r\nx-admin: 1' }), 'a%0D%0Ax-admin: 1')
  assert.doesNotMatch(backend.last, /^x-admin/m)
  assert.equal(await sent({ sub: ' Jürgen 100% ' }), '%20J%C3%BCrgen 100%25%20')
  assert.equal(await sent({ sub: 42 }), '42')
  assert.equal(await sent({ sub: null }), undefined)
  assert.equal(await sent({ sub: '' }), undefined)
  await sent({ 'https://a/roles': ['a', 'b,c'] })
  // Only a trusted proxy may send this one, and the gateway itself.
  assert.match(backend.last, /^x-forwarded-groups: \["a","b,c"\]\r$/m)
})

test('a token is remembered no longer than it is valid', async (t) => {
  let late = 0
  const clock = { ...systemClock, date: () => new Date(Date.now() + late) }
  const { url } = await guarded(t, config({ clockTolerance: 5000 }), { clock })
  const token = await sign(ec)
  for (const [milliseconds, status] of [
    [0, 200],
    [0, 200],
    [60_000, 200],
    [65_000, 401],
    [0, 200],
  ] as const) {
    late = milliseconds
    assert.equal((await asks(url, token)).status, status, `${milliseconds} ms later`)
  }
})

test('keys are rotated: a new one is found at once, and a token of an old one is not remembered', async (t) => {
  const server = await keyServer([ec])
  t.after(() => server.close())
  const own = new KeySets({ clock: new TestClock() })
  t.after(() => own.close())
  const { url } = await guarded(t, config({ keys: { jwks: server.jwks } }), { keySets: own })
  const [old, fresh, unknown] = await Promise.all([sign(ec), sign(ed), sign(rsa)])
  assert.equal((await asks(url, old)).status, 200)
  assert.equal((await asks(url, old)).status, 200)
  server.publish([ed.jwk])
  const replies = await Promise.all([fresh, fresh, fresh].map((token) => asks(url, token)))
  assert.deepEqual(
    replies.map(({ status }) => status),
    [200, 200, 200],
  )
  assert.equal(server.total, 2)
  assert.equal((await asks(url, old)).status, 401)
  assert.equal((await asks(url, unknown)).status, 401)
  assert.equal(
    (await asks(url, await sign({ ...ed, privateKey: (await issuerKey('ed', 'EdDSA')).privateKey }))).status,
    401,
  )
  assert.equal(server.total, 2, 'the set is not fetched again so soon')
})

test('without keys requests get 503 with Retry-After, and are admitted once the keys are there', async (t) => {
  const server = await keyServer()
  t.after(() => server.close())
  server.become((response) => response.writeHead(500).end())
  const clock = new TestClock()
  const own = new KeySets({ clock })
  t.after(() => own.close())
  const { url, scope } = await guarded(t, config({ keys: { jwks: server.jwks } }), { keySets: own })
  const token = await sign(ec)
  for (const time of ['first', 'second']) {
    const reply = await asks(url, token)
    assert.deepEqual([reply.status, reply.headers['retry-after']], [503, '1'], time)
    assert.equal(JSON.parse(reply.text).code, 'LEASTWISE_KEYS_UNAVAILABLE')
    assert.ok(!reply.text.includes(server.url))
  }
  assert.equal(server.total, 1)
  // What can be refused without a key is refused.
  assert.equal((await call(url)).status, 401)
  assert.equal((await asks(url, 'garbage')).status, 401)
  assert.equal(scope.balancer.registry.list()[0]?.leases.total, 0)
  server.publish([ec.jwk])
  clock.pass(1000)
  await until(
    () => own.current(server.jwks),
    (keySet) => keySet !== undefined,
  )
  assert.equal((await asks(url, token)).status, 200)
  // The last keys are good for as long as the server is away.
  await server.close()
  clock.pass(480_000)
  assert.equal((await asks(url, await sign(ec, { ...goodClaims(), sub: 'bob' }))).status, 200)
})

test('a client that leaves while the keys are fetched leaves no lease behind', async (t) => {
  const server = await keyServer()
  t.after(() => server.close())
  const answers: (() => void)[] = []
  server.become((response) => void answers.push(() => response.end(JSON.stringify({ keys: [ec.jwk] }))))
  const own = new KeySets()
  t.after(() => own.close())
  const { url, scope } = await guarded(t, config({ keys: { jwks: server.jwks } }), { keySets: own })
  const token = await sign(ec)
  const client = new RawClient(url).send(
    `GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  )
  await server.untilOpen(1)
  client.socket.destroy()
  const waits = asks(url, token)
  await until(
    () => connectionsOf(scope.server),
    (count) => count === 1,
  )
  answers[0]?.()
  assert.equal((await waits).status, 200)
  assert.equal(scope.balancer.registry.list()[0]?.leases.total, 1)
})

test('a set whose keys have no names, and a token that names none', async (t) => {
  const nameless = [ec, ed, rsa, foreign].map(({ jwk: { kid, ...jwk } }) => jwk)
  const server = await keyServer()
  server.publish(nameless)
  t.after(() => server.close())
  const own = new KeySets()
  t.after(() => own.close())
  const { url } = await guarded(t, config({ keys: { jwks: server.jwks } }), { keySets: own })
  for (const key of [ec, ed, rsa, foreign]) {
    assert.equal((await asks(url, await sign(key, goodClaims(), { kid: undefined }))).status, 200)
  }
  assert.equal((await asks(url, await sign(ec))).status, 401, 'a name that no key has')
})

test('a shared secret, and a public key from a file, which a token names as it likes', async (t) => {
  const secret = 's'.repeat(32)
  const hs = {
    kid: 'any',
    alg: 'HS256',
    privateKey: Buffer.from(secret) as never,
    publicKey: ec.publicKey,
    jwk: {},
  }
  const shared = await guarded(t, config({ keys: { secret }, algorithms: ['HS256'] }))
  assert.equal((await asks(shared.url, await sign(hs))).status, 200)
  assert.equal(
    (await asks(shared.url, await sign({ ...hs, privateKey: Buffer.alloc(32) as never }))).status,
    401,
  )
  assert.equal((await asks(shared.url, await sign(ec))).status, 401)

  const pem = [rsa, ec].map(({ publicKey }) => publicKey.export({ type: 'spki', format: 'pem' })).join('')
  const { url } = await guarded(t, config({ keys: { publicKey: pem } }))
  assert.equal((await asks(url, await sign(ec))).status, 200)
  assert.equal((await asks(url, await sign(rsa, goodClaims(), { kid: 'other' }))).status, 200)
  assert.equal((await asks(url, await sign(foreign))).status, 401)
})

test('keys that do not fit the algorithms do not start', async () => {
  const start = (changes: Partial<JwtConfig>) =>
    Fastify().register(authPlugin, { auth: { jwt: config(changes) }, keySets })
  const pem = ec.publicKey.export({ type: 'spki', format: 'pem' }) as string
  const privatePem = ec.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  await assert.rejects(async () => await start({ algorithms: ['HS256'] }), /HS256 is not one of RS256/)
  await assert.rejects(async () => await start({ keys: { publicKey: pem }, algorithms: ['none'] }), /none/)
  await assert.rejects(async () => await start({ keys: { secret: pem } }), /RS256 is not one of HS256/)
  await assert.rejects(async () => await start({ keys: { publicKey: privatePem } }), /private key/)
  await assert.rejects(async () => await start({ keys: { publicKey: 'x' } }), /no PEM block/)
})

test('an upgrade needs a token as every request does', async (t) => {
  const server = new TestBackend((_request, response) => response.end())
  const sockets = new WebSocketServer({ server: server.server })
  sockets.on('connection', (socket, { headers }) => socket.send(String(headers['x-user'])))
  await server.listen()
  t.after(() => server.close())
  const { url } = await guarded(t, config(), { backends: [server.url] })
  const open = (headers: Record<string, string>) =>
    new Promise<string>((resolve) => {
      const socket = new WebSocket(url.replace('http', 'ws'), { headers })
      socket.once('message', (data) => {
        resolve(String(data))
        socket.terminate()
      })
      socket.once('unexpected-response', (_request, response) => {
        resolve(`${response.statusCode} ${response.headers['www-authenticate']}`)
        socket.terminate()
      })
      socket.on('error', () => {})
    })
  assert.equal(await open({}), '401 Bearer')
  assert.equal(server.total, 0)
  assert.equal(await open({ authorization: `Bearer ${await sign(ec)}`, 'x-user': 'root' }), 'alice')
})
