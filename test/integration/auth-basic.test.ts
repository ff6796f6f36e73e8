import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import Fastify from 'fastify'
import { authPlugin } from '../../plugins/auth.js'
import { KeySets } from '../../src/auth/keys/key-sets.js'
import type { BasicConfig } from '../../src/config/file/gateway-config.js'
import { call } from '../support/client.js'
import { guardedApp } from '../support/guarded-app.js'
import { exchange, RawBackend } from '../support/raw.js'

const backend = await new RawBackend('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok').listen()
after(() => backend.close())

/** These are of libxcrypt, as `htpasswd -B` makes them, with the lowest cost. */
const users = {
  alice: '$2y$04$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG',
  jürgen: '$2y$04$abcdefghijklmnopqrstuuYGQPhyTYqIbMFoaWZTBdnjtlUIyfVYy',
  long: '$2y$04$abcdefghijklmnopqrstuuwurWIdVVT4m5pTArtqnFNM69nySdHj.',
}

const config = (changes: Partial<BasicConfig> = {}): BasicConfig => ({
  users,
  realm: 'the "shop"',
  forward: 'x-user',
  ...changes,
})

const basic = (text: string | Buffer): string => `Basic ${Buffer.from(text).toString('base64')}`

test('a user with a password is admitted, and the backend gets the name of the user alone', async (t) => {
  const { url } = await guardedApp(t, { basic: config() }, { backends: [backend.url] })
  const asks = async (credentials: string) => {
    const { status } = await call(url, { headers: { authorization: basic(credentials), 'x-user': 'root' } })
    return [status, /^x-user: (.*)\r$/m.exec(backend.last)?.[1]]
  }
  for (const time of ['first', 'second']) {
    assert.deepEqual(await asks('alice:s3cret'), [200, 'alice'], time)
    assert.doesNotMatch(backend.last, /authorization|YWxpY2U/i)
  }
  assert.deepEqual(await asks('jürgen:pa:ss:wörd'), [200, 'j%C3%BCrgen'])
  assert.deepEqual(await asks(`long:${'y'.repeat(80)}`), [200, 'long'])
})

test('every other request is refused, reaches no backend and takes no lease', async (t) => {
  const { url, scope } = await guardedApp(t, { basic: config() }, { backends: [backend.url] })
  const before = backend.requests.length
  const refused = [
    '',
    `Authorization: ${basic('alice:wrong')}\r\n`,
    `Authorization: ${basic('alice:')}\r\n`,
    `Authorization: ${basic('alice')}\r\n`,
    `Authorization: ${basic('Alice:s3cret')}\r\n`,
    `Authorization: ${basic('nobody:s3cret')}\r\n`,
    `Authorization: ${basic(':s3cret')}\r\n`,
    `Authorization: ${basic('__proto__:s3cret')}\r\n`,
    `Authorization: ${basic(`alice:${users.alice}`)}\r\n`,
    `Authorization: ${basic('alice:s3cret\0')}\r\n`,
    `Authorization: ${basic('alice:s3cret\0more')}\r\n`,
    `Authorization: ${basic(Buffer.from('jürgen:pa:ss:wörd', 'latin1'))}\r\n`,
    `Authorization: ${basic(`long:${'y'.repeat(71)}`)}\r\n`,
    `Authorization: ${basic('alice:s3cret').replace('Basic', 'Bearer')}\r\n`,
    'Authorization: Basic\r\n',
    'Authorization: Basic !\r\n',
    `Authorization: ${basic('alice:s3cret')}\r\nAuthorization: ${basic('alice:s3cret')}\r\n`,
    `Proxy-Authorization: ${basic('alice:s3cret')}\r\n`,
  ]
  for (const fields of refused) {
    const answer = await exchange(url, `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${fields}\r\n`)
    assert.match(answer, /^HTTP\/1\.1 401 /, fields)
    assert.match(answer, /^www-authenticate: Basic realm="the \\"shop\\"", charset="UTF-8"\r$/m, fields)
    assert.match(answer, /"code":"LEASTWISE_UNAUTHORIZED"/, fields)
    assert.doesNotMatch(answer, /s3cret|alice/, fields)
  }
  assert.equal(backend.requests.length, before)
  const [entry] = scope.balancer.registry.list()
  assert.deepEqual([entry?.leases.total, entry?.inFlight], [0, 0])
})

test('a flood of wrong passwords is refused, and who was admitted before is not touched by it', async (t) => {
  // Each takes about 10 ms, so that the flood is faster than the hashing.
  const slow = { eve: '$2b$08$7.oGWoegGOuQuq3OKvHqQuMSBwrItQfjedOhSxQq0vCs07MR8nCPW' }
  const { url } = await guardedApp(
    t,
    { basic: config({ users: { ...users, ...slow } }) },
    { backends: [backend.url] },
  )
  const asks = (credentials: string) => call(url, { headers: { authorization: basic(credentials) } })
  assert.equal((await asks('alice:s3cret')).status, 200)
  const flood = Array.from({ length: 200 }, (_, i) => asks(`eve:wrong ${i}`))
  const busy = await Promise.any(
    flood.map(async (reply) => {
      assert.equal((await reply).status, 503)
      return await reply
    }),
  )
  assert.equal(JSON.parse(busy.text).code, 'LEASTWISE_OVERLOADED')
  assert.ok(Number(busy.headers['retry-after']) >= 1)
  assert.equal((await asks('alice:s3cret')).status, 200)
  const statuses = (await Promise.all(flood)).map(({ status }) => status)
  assert.deepEqual([...new Set(statuses)].sort(), [401, 503])
})

test('scopes beside each other have users of their own', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  const keySets = new KeySets()
  for (const user of ['alice', 'long'] as const) {
    await app.register(async (scope) => {
      await scope.register(authPlugin, {
        auth: { basic: config({ users: { [user]: users[user] } }) },
        keySets,
      })
      scope.get(`/${user}`, async () => '')
    })
  }
  const asks = async (path: string) =>
    (await app.inject({ url: path, headers: { authorization: basic('alice:s3cret') } })).statusCode
  assert.deepEqual([await asks('/alice'), await asks('/long')], [200, 401])
})

test('without users it does not start', async () => {
  const app = Fastify()
  const auth = { basic: config({ users: {} }) }
  await assert.rejects(
    async () => await app.register(authPlugin, { auth, keySets: new KeySets() }),
    /no users/,
  )
})
