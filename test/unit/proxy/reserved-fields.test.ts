import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReservedFields } from '../../../src/proxy/downstream/fields/reserved-fields.js'
import { markUntrusted, receivedFrom } from '../../../src/proxy/downstream/fields/untrusted-fields.js'
import { received } from '../../support/received.js'

const HEAD = 'GET / HTTP/1.1\r\nHost: a\r\nX-User: root\r\nX_User: root\r\nx-USER: toor\r\nAccept: */*\r\n'

test('what a client sends of them is removed wherever Node keeps it', async (t) => {
  const { request } = await received(t, `${HEAD}\r\n`)
  new ReservedFields(['x-user']).remove(request)
  assert.deepEqual(request.headers, { host: 'a', accept: '*/*' })
  assert.deepEqual(request.rawHeaders, ['Host', 'a', 'Accept', '*/*'])
  assert.deepEqual(Object.keys(request.headersDistinct), ['host', 'accept'])
})

test('a name with an underscore covers the one with a hyphen', async (t) => {
  const { request } = await received(t, `${HEAD}\r\n`)
  new ReservedFields(['x_user']).remove(request)
  assert.deepEqual(request.headers, { host: 'a', accept: '*/*' })
})

test('a field that is set goes to the backend also if only trusted proxies may send it', async (t) => {
  const { request } = await received(t, `${HEAD}X-Forwarded-User: root\r\nX-Forwarded-Email: root\r\n\r\n`)
  for (const isWatched of [false, true]) {
    const names = ['x-forwarded-user', 'x-forwarded-email']
    markUntrusted(request.headers, names, isWatched)
    const fields = new ReservedFields(names)
    fields.remove(request)
    fields.set(request, ['alice', undefined])
    const { headers, untrusted } = receivedFrom(
      { raw: request, headers: request.headers } as never,
      {} as never,
    )
    assert.equal(headers['x-forwarded-user'], 'alice')
    assert.equal(untrusted?.has('x-forwarded-user'), false)
    assert.equal(headers['x-forwarded-email'], undefined)
  }
})
