import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import leastwise, { type LeastwiseOptions } from '../../src/index.js'
import { restorePrefix } from '../../src/proxy/downstream/response/restore-prefix.js'
import { openGateway } from '../support/gateway.js'
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

async function open(options: LeastwiseOptions, own: object = {}): Promise<string> {
  const app = Fastify({ forceCloseConnections: true, ...own })
  apps.push(app)
  await app.register(leastwise, { backends: [backend.url], ...options })
  return await app.listen({ port: 0, host: '127.0.0.1' })
}

/** What a client gets of an answer that has these fields. */
async function answer(url: string, path: string, fields: string, given = ''): Promise<string> {
  backend.script = `HTTP/1.1 302 Found\r\n${fields}Content-Length: 0\r\n\r\n`
  return await exchange(
    url,
    `GET ${path} HTTP/1.1\r\nHost: shop.example\r\n${given}Connection: close\r\n\r\n`,
  )
}

describe('where an answer leads is put back under the prefix', () => {
  const own = () => backend.url
  const cases: [options: LeastwiseOptions, path: string, location: () => string, expected: () => string][] = [
    [{ prefix: '/api' }, '/api/a', () => '/login', () => '/api/login'],
    [{ prefix: '/api' }, '/api/a', () => '/', () => '/api/'],
    [{ prefix: '/api' }, '/api', () => '/a/?b=/c#/d', () => '/api/a/?b=/c#/d'],
    [{ prefix: '/api' }, '/api/a', () => 'b/c', () => 'b/c'],
    [{ prefix: '/api' }, '/api/a', () => '../c', () => '../c'],
    [{ prefix: '/api' }, '/api/a', () => '?b', () => '?b'],
    [{ prefix: '/api' }, '/api/a', () => '', () => ''],
    // A backend that goes by X-Forwarded-Prefix.
    [{ prefix: '/api' }, '/api/a', () => '/api/login', () => '/api/login'],
    [{ prefix: '/api' }, '/api/a', () => '/api?x', () => '/api?x'],
    [{ prefix: '/api' }, '/api/a', () => '/apix', () => '/api/apix'],
    // Its own address, and the one that the client asked for.
    [{ prefix: '/api' }, '/api/a', () => `${own()}/login?a`, () => '/api/login?a'],
    [{ prefix: '/api' }, '/api/a', own, () => '/api/'],
    [{ prefix: '/api' }, '/api/a', () => `${own()}?a`, () => '/api/?a'],
    [{ prefix: '/api' }, '/api/a', () => 'http://shop.example/login', () => 'http://shop.example/api/login'],
    [
      { prefix: '/api' },
      '/api/a',
      () => 'https://SHOP.example:443/x',
      () => 'https://SHOP.example:443/api/x',
    ],
    [{ prefix: '/api' }, '/api/a', () => '//shop.example/x', () => '//shop.example/api/x'],
    [{ prefix: '/api' }, '/api/a', () => 'http://shop.example/api/x', () => 'http://shop.example/api/x'],
    // To where the client has to go, and would be sent back for ever if it did not.
    [{ prefix: '/api' }, '/api/a', () => `https${own().slice(4)}/x`, () => `https${own().slice(4)}/x`],
    // Somewhere else.
    [{ prefix: '/api' }, '/api/a', () => 'https://login.example/x', () => 'https://login.example/x'],
    [{ prefix: '/api' }, '/api/a', () => '//login.example/x', () => '//login.example/x'],
    [{ prefix: '/api' }, '/api/a', () => 'http://shop.example:8080/x', () => 'http://shop.example:8080/x'],
    [{ prefix: '/api' }, '/api/a', () => 'http://me@shop.example/x', () => 'http://me@shop.example/x'],
    [{ prefix: '/api' }, '/api/a', () => 'mailto:me@shop.example', () => 'mailto:me@shop.example'],
    // Something else in its place.
    [{ prefix: '/api', rewritePrefix: '/v2' }, '/api/a', () => '/v2/login', () => '/api/login'],
    [{ prefix: '/api', rewritePrefix: '/v2' }, '/api/a', () => '/v2', () => '/api'],
    [{ prefix: '/api', rewritePrefix: '/v2' }, '/api/a', () => `${own()}/v2?a`, () => '/api?a'],
    [{ prefix: '/api', rewritePrefix: '/v2' }, '/api/a', () => '/v20/x', () => '/v20/x'],
    [{ prefix: '/api', rewritePrefix: '/v2' }, '/api/a', () => '/', () => '/'],
    [{ prefix: '/api', rewritePrefix: '/api/v2' }, '/api/a', () => '/api/v2/x', () => '/api/x'],
    [{ prefix: '/api', rewritePrefix: '/api' }, '/api/a', () => '/api/x', () => '/api/x'],
    // What the client wrote.
    [{ prefix: '/t/:tenant' }, '/t/blue/a?b', () => '/login', () => '/t/blue/login'],
    [{ prefix: '/t/:tenant' }, '/t/%62lue?b', () => '/login', () => '/t/%62lue/login'],
    [{ prefix: '/:tenant' }, '//evil.example/', () => '/login', () => '/login'],
    [{ prefix: '/:tenant' }, '/\\evil.example/', () => '/login', () => '/login'],
    // Switched off.
    [{ prefix: '/api', internalRewriteLocationHeader: false }, '/api/a', () => '/login', () => '/login'],
  ]
  for (const [options, path, location, expected] of cases) {
    test(`${JSON.stringify(options)}: ${path}`, async () => {
      const url = await open(options)
      const text = await answer(url, path, `Location: ${location()}\r\nContent-Location: ${location()}\r\n`)
      const told = [field(text, 'location'), field(text, 'content-location')]
      assert.deepEqual(told, [expected(), expected()], location())
    })
  }
})

test('the path of cookies is put back, but of those that have to have another', async () => {
  const cookies = (path: string) =>
    [
      'a=1',
      'b=2; Path=/',
      'c=3; HttpOnly; path=/x ; Secure',
      'd=4; Path=/api/y',
      '__Host-e=5; Path=/; Secure',
      'f=6; Path=x',
    ]
      .map((cookie) => `Set-Cookie: ${cookie.replace('=/x', `=${path}`)}\r\n`)
      .join('')
  const plain = await open({ prefix: '/api' })
  assert.equal(
    field(await answer(plain, '/api/a', cookies('/x')), 'set-cookie'),
    'a=1 | b=2; Path=/api | c=3; HttpOnly; path=/api/x; Secure | d=4; Path=/api/y | __Host-e=5; Path=/; Secure | f=6; Path=x',
  )
  const rewriting = await open({ prefix: '/api', rewritePrefix: '/v2' })
  assert.equal(
    field(await answer(rewriting, '/api/a', cookies('/v2/x')), 'set-cookie'),
    'a=1 | b=2; Path=/api | c=3; HttpOnly; path=/api/x; Secure | d=4; Path=/api/y | __Host-e=5; Path=/; Secure | f=6; Path=x',
  )
  assert.match(
    field(await answer(plain, '/api/a', 'Set-Cookie: a=1; Path=/\r\n'), 'set-cookie') as string,
    /^a=1; Path=\/api$/,
  )
  const off = await open({ prefix: '/api', internalRewriteLocationHeader: false })
  assert.equal(field(await answer(off, '/api/a', 'Set-Cookie: a=1; Path=/\r\n'), 'set-cookie'), 'a=1; Path=/')
})

test('Refresh leads somewhere, too', async () => {
  const url = await open({ prefix: '/api' })
  for (const [refresh, expected] of [
    ['0; url=/login', '0; url=/api/login'],
    ["5;URL='/login'", "5;URL='/api/login'"],
    ['3, url=https://login.example/', '3, url=https://login.example/'],
    ['5', '5'],
  ] as const) {
    assert.equal(field(await answer(url, '/api/a', `Refresh: ${refresh}\r\n`), 'refresh'), expected)
  }
})

test('an upgrade sets cookies under the prefix as well', async () => {
  const url = await open({ prefix: '/api' })
  backend.script =
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\nSet-Cookie: a=1; Path=/\r\n\r\n'
  const client = new RawClient(url).send(
    'GET /api HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n',
  )
  await client.until('\r\n\r\n')
  client.close()
  assert.equal(field(client.text, 'set-cookie'), 'a=1; Path=/api')
})

test('backends are told the prefix by X-Forwarded-Prefix', async () => {
  const told = async (options: LeastwiseOptions, path: string, given = '') => {
    const url = await open(options)
    await answer(url, path, '', given)
    return field(backend.last, 'x-forwarded-prefix')
  }
  const outer = 'X-Forwarded-Prefix: /outer\r\n'
  assert.equal(await told({ prefix: '/api' }, '/api/a'), '/api')
  assert.equal(await told({ prefix: '/api', rewritePrefix: '/v2' }, '/api'), '/api')
  assert.equal(await told({ prefix: '/api', rewritePrefix: '/api' }, '/api'), undefined)
  assert.equal(await told({ prefix: '/t/:tenant' }, '/t/blue?x=/y'), '/t/blue')
  assert.equal(await told({ prefix: '/api' }, '/api/a', outer), '/api')
  assert.equal(await told({ prefix: '/api', trustProxy: true }, '/api/a', outer), '/outer/api')
  assert.equal(await told({ trustProxy: true }, '/a', outer), '/outer')
  assert.equal(await told({}, '/a', outer), undefined)
})

test('a prefix of scopes around the pool is part of it', async () => {
  const app = Fastify({ forceCloseConnections: true })
  apps.push(app)
  await app.register(
    async (scope) => await scope.register(leastwise, { backends: [backend.url], prefix: '/b' }),
    {
      prefix: '/a',
    },
  )
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  assert.equal(field(await answer(url, '/a/b/c', 'Location: /x\r\n'), 'location'), '/a/b/x')
})

test('an address made of X-Forwarded-Host is one that the client asked for', async () => {
  const url = await open({ prefix: '/api', trustProxy: true })
  const given = 'X-Forwarded-Host: front.example\r\nX-Forwarded-Proto: https\r\n'
  const text = await answer(url, '/api/a', 'Location: https://front.example/x\r\n', given)
  assert.equal(field(text, 'location'), 'https://front.example/api/x')
})

test('the stand-alone gateway takes nothing off, and so changes nothing', async () => {
  const gateway = await openGateway([backend])
  const text = await answer(gateway.url, '/a', `Location: ${backend.url}/x\r\nSet-Cookie: a=1; Path=/\r\n`)
  assert.deepEqual([field(text, 'location'), field(text, 'set-cookie')], [`${backend.url}/x`, 'a=1; Path=/'])
  await gateway.close()
})

test('lists, and what is no text, are left', () => {
  const headers = { location: ['/a', '/b'], 'set-cookie': undefined }
  restorePrefix(headers, { prefix: '/api', rewritePrefix: '', hosts: [], scheme: 'http' })
  assert.deepEqual(headers, { location: ['/a', '/b'], 'set-cookie': undefined })
})

test('where the router takes several slashes for one, so does what is taken off', async () => {
  const joining = await open({ prefix: '/api' }, { routerOptions: { ignoreDuplicateSlashes: true } })
  const text = await answer(joining, '//api//a', 'Location: /x\r\n')
  assert.match(backend.last, /^GET \/\/a HTTP/)
  assert.equal(field(text, 'location'), '/api/x')
  // Where it does not, a parameter may be empty.
  await answer(await open({ prefix: '/:tenant/api' }), '//api/a', '')
  assert.match(backend.last, /^GET \/a HTTP/)
})
