import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { accessListPlugin } from '../../plugins/access-list.js'
import { type AccessLists, accessListOf } from '../../src/proxy/http/access-list.js'
import { requestChangesOf, responseChangesOf } from '../../src/proxy/http/header-changes.js'
import { type TrustSetting, trustOf } from '../../src/proxy/http/trust.js'
import { answering, TestBackend } from '../support/backend.js'
import { call } from '../support/client.js'
import { openRoute } from '../support/route-app.js'

async function guarded(t: TestContext, lists: AccessLists, setting: TrustSetting = false) {
  const backend = await answering()
  t.after(() => backend.close())
  const trust = trustOf(setting)
  const list = accessListOf(lists)
  return openRoute(t, {
    backends: [backend.url],
    route: { trust },
    around: async (scope) => scope.register(accessListPlugin, { trust, listFor: () => list }),
  })
}

const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })

test('a client that the lists leave out is refused without a lease', async (t) => {
  const { url, leases } = await guarded(t, { allow: undefined, deny: ['127.0.0.0/8'] })
  const { status, text } = await call(url, from('10.0.0.1'))
  assert.deepEqual(
    [status, JSON.parse(text)],
    [
      403,
      {
        statusCode: 403,
        code: 'LEASTWISE_FORBIDDEN',
        error: 'Forbidden',
        message: 'this address may not use the route',
      },
    ],
  )
  const post = await call(url, { method: 'POST', body: 'x'.repeat(1_000_000) }).catch(() => ({ status: 403 }))
  assert.equal(post.status, 403)
  assert.equal(leases(), 0)
})

test('the address is the one that trusted proxies report', async (t) => {
  const lists = { allow: ['10.0.0.0/8'], deny: ['10.1.0.0/16'] }
  const direct = await guarded(t, lists)
  assert.equal((await call(direct.url, from('10.0.0.1'))).status, 403)
  const behind = await guarded(t, lists, ['127.0.0.1'])
  const status = async (address: string) => (await call(behind.url, from(address))).status
  assert.deepEqual(
    [
      await status('10.0.0.1'),
      await status('10.1.0.1'),
      await status('::ffff:10.0.0.1'),
      await status('11.0.0.1'),
    ],
    [200, 403, 200, 403],
  )
  assert.equal(await status('10.0.0.1, 11.0.0.1'), 403)
})

test('fields of requests and responses are changed, and those of the gateway itself can be', async (t) => {
  const backend = await new TestBackend((request, response) => {
    response.writeHead(200, { server: 'old', 'set-cookie': ['a=1', 'b=2'], location: '/there' })
    request.resume().once('end', () => response.end(JSON.stringify(request.headers)))
  }).listen()
  t.after(() => backend.close())
  const { url } = await openRoute(t, {
    backends: [backend.url],
    route: {
      requestChanges: requestChangesOf({
        set: { 'x-tier': 'gold', host: 'inner.example' },
        add: { 'x-list': 'second' },
        remove: ['x-forwarded-for', 'x-secret'],
      }),
      responseChanges: responseChangesOf({
        set: { location: '/elsewhere' },
        add: { 'set-cookie': 'c=3' },
        remove: ['server'],
      }),
    },
  })
  for (const method of ['GET', 'POST'] as const) {
    const { headers, text } = await call(url, {
      method,
      headers: { 'X-Tier': 'mine', 'x-list': 'first', 'x-secret': 's' },
      ...(method === 'POST' && { body: 'b' }),
    })
    const seen = JSON.parse(text)
    assert.deepEqual(
      [seen['x-tier'], seen['x-list'], seen['x-secret'], seen['x-forwarded-for'], seen['x-forwarded-proto']],
      ['gold', 'first, second', undefined, undefined, 'http'],
    )
    assert.deepEqual([seen.host, seen['x-forwarded-host']], ['inner.example', new URL(url).host])
    assert.deepEqual(
      [headers.server, headers.location, headers['set-cookie']],
      [undefined, '/elsewhere', ['a=1', 'b=2', 'c=3']],
    )
  }
})
