import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { after, test } from 'node:test'
import type { ApiKeyConfig } from '../../src/config/file/gateway-config.js'
import { call } from '../support/client.js'
import { guardedApp } from '../support/guarded-app.js'
import { exchange, RawBackend } from '../support/raw.js'

const backend = await new RawBackend('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok').listen()
after(() => backend.close())

const sha256 = (key: string): string => hash('sha256', key, 'hex')

const config = (changes: Partial<ApiKeyConfig> = {}): ApiKeyConfig => ({
  header: 'x-api-key',
  keys: { shop: sha256('key of the shop'), 'büro 1': sha256('ключ').toUpperCase() },
  forward: 'x-client',
  ...changes,
})

test('a key is admitted, and the backend gets the name of the key in its place', async (t) => {
  const { url } = await guardedApp(t, { apiKey: config() }, { backends: [backend.url] })
  const asks = async (key: string) => {
    const { status } = await call(url, { headers: { 'X-Api-Key': Buffer.from(key).toString('latin1') } })
    return [status, /^x-client: (.*)\r$/m.exec(backend.last)?.[1]]
  }
  assert.deepEqual(await asks('key of the shop'), [200, 'shop'])
  assert.doesNotMatch(backend.last, /key of the shop|x-api-key/i)
  assert.deepEqual(await asks('ключ'), [200, 'b%C3%BCro 1'])
})

test('every other request is refused, reaches no backend and takes no lease', async (t) => {
  const { url, scope } = await guardedApp(t, { apiKey: config() }, { backends: [backend.url] })
  const before = backend.requests.length
  const refused = [
    '',
    'x-api-key:\r\n',
    'x-api-key: key\r\n',
    'x-api-key: key of the shop.\r\n',
    'x-api-key: Key of the shop\r\n',
    // The hash is no key.
    `x-api-key: ${sha256('key of the shop')}\r\n`,
    'x-api-key: __proto__\r\n',
    'x-api-key: key of the shop\r\nX-API-KEY: key of the shop\r\n',
    'x_api_key: key of the shop\r\n',
    'authorization: Bearer key of the shop\r\n',
    'Connection: x-api-key\r\nx-api-key: key of the shop\r\n',
    `x-api-key: ${'k'.repeat(15_000)}\r\n`,
  ]
  for (const fields of refused) {
    const answer = await exchange(url, `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${fields}\r\n`)
    assert.match(answer, /^HTTP\/1\.1 401 /, fields.slice(0, 80))
    assert.match(answer, /^www-authenticate: ApiKey header="x-api-key"\r$/m)
    assert.match(answer, /"code":"LEASTWISE_UNAUTHORIZED"/)
  }
  assert.equal(backend.requests.length, before)
  const [entry] = scope.balancer.registry.list()
  assert.deepEqual([entry?.leases.total, entry?.inFlight], [0, 0])
})

test('ten thousand keys', async (t) => {
  const keys = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, i) => [`client ${i}`, sha256(`key ${i}`)]),
  )
  const { url } = await guardedApp(t, { apiKey: config({ keys }) }, { backends: [backend.url] })
  for (const i of [0, 5000, 9999]) {
    assert.equal((await call(url, { headers: { 'x-api-key': `key ${i}` } })).status, 200)
    assert.match(backend.last, new RegExp(`^x-client: client ${i}\r$`, 'm'))
  }
  assert.equal((await call(url, { headers: { 'x-api-key': 'key 10000' } })).status, 401)
})

test('a key in Authorization, and no name for the backend', async (t) => {
  const { url } = await guardedApp(
    t,
    { apiKey: config({ header: 'authorization', forward: '' }) },
    { backends: [backend.url] },
  )
  assert.equal((await call(url, { headers: { authorization: 'key of the shop' } })).status, 200)
  assert.doesNotMatch(backend.last, /authorization|x-client/i)
  const answer = await exchange(
    url,
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: key of the shop\r\nAuthorization: b\r\n\r\n',
  )
  assert.match(answer, /^HTTP\/1\.1 401 /)
})
