import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { openFileGateway } from '../support/file-gateway.js'
import { RawClient } from '../support/raw.js'

const moved = (t: TestContext) =>
  openFileGateway(t, {
    pools: { users: { backends: [] } },
    routes: [
      { name: 'moved', match: { path: '/old' }, redirect: { status: 307, to: 'https://new.example' } },
      { name: 'rest', match: { path: '/' }, pool: 'users' },
    ],
  })

/** What a client gets until the connection closes. */
async function rawly(t: TestContext, url: string, text: string): Promise<string> {
  const client = new RawClient(url)
  t.after(() => client.close())
  return client.send(text).untilClosed()
}

test('a redirect keeps path and query, and is counted and logged with its route', async (t) => {
  const gateway = await moved(t)
  const response = await fetch(`${gateway.url}/old/a?b=c`, { redirect: 'manual' })
  assert.deepEqual(
    [response.status, response.headers.get('location'), await response.text()],
    [307, 'https://new.example/old/a?b=c', ''],
  )
  const line = gateway.lines.find(({ msg }) => msg === 'request')
  assert.deepEqual([line?.route, line?.pool, line?.outcome, line?.backend], ['moved', null, 'ok', null])
  assert.match(await gateway.metrics(), /route_requests_total\{outcome="ok",route="moved"\} 1\n/)
})

test('a redirect does not wait for the body of its request', async (t) => {
  const { url } = await moved(t)
  const text = await rawly(t, url, 'POST /old HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nsome')
  assert.match(text, /^HTTP\/1\.1 307 .*\r\nconnection: close\r\n/is)
})

test('what must not be forwarded is not redirected either', async (t) => {
  const { url } = await moved(t)
  for (const head of ['GET /old HTTP/1.1\r\n', 'GET /old HTTP/1.1\r\nHost: a\r\nHost: b\r\n']) {
    assert.match(await rawly(t, url, `${head}\r\n`), /^HTTP\/1\.1 400 .*LEASTWISE_INVALID_REQUEST/s)
  }
})
