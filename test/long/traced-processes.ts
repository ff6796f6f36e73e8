import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { answering } from '../support/backend.js'
import { call } from '../support/client.js'
import { root, startGateway } from '../support/process.js'
import { noSharedPort } from '../support/shared-port.js'

interface OtlpSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  kind: number
  name: string
  attributes: { key: string; value: { intValue?: number; stringValue?: string } }[]
}

/** A collector, and the spans that it was sent. */
async function collecting(t: TestContext) {
  const spans: OtlpSpan[] = []
  const server = createServer(async (request, response) => {
    const { resourceSpans } = (await json(request)) as {
      resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[]
    }
    spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)))
    response.end('{}')
  }).listen(0, '127.0.0.1')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  await new Promise((resolve) => server.once('listening', resolve))
  return { spans, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const SERVER = 2
const CLIENT = 3
const REQUESTS = 20

for (const workers of ['1', '2']) {
  const options = { skip: workers === '2' && noSharedPort }
  test(
    `a collector gets every span of ${workers} threads, the last ones when the gateway stops`,
    options,
    async (t) => {
      const collector = await collecting(t)
      const backend = await answering()
      t.after(() => backend.close())
      const gateway = await startGateway(
        { BACKENDS: backend.url, WORKERS: workers, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
        ['--import', join(root, 'examples/tracing/otel.mjs'), join(root, 'dist/src/gateway/main.js')],
      )
      t.after(() => gateway.stop())
      // Each has a connection of its own, so that each worker gets some.
      const headers = { connection: 'close' }
      await Promise.all(Array.from({ length: REQUESTS }, () => call(gateway.url, { headers })))
      assert.equal(await gateway.stop(), 0)
      const servers = collector.spans.filter(({ kind }) => kind === SERVER)
      const clients = collector.spans.filter(({ kind }) => kind === CLIENT)
      assert.deepEqual([servers.length, clients.length], [REQUESTS, REQUESTS])
      const ids = new Set(servers.map(({ spanId }) => spanId))
      for (const { parentSpanId } of clients) assert.ok(ids.has(parentSpanId as string))
      const continued = backend.seen.map(({ headers: own }) => own.traceparent).sort()
      assert.deepEqual(continued, clients.map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`).sort())
      const status = servers[0]?.attributes.find(({ key }) => key === 'http.response.status_code')
      assert.equal(status?.value.intValue, 200)
    },
  )
}

test('a collector that is not there keeps no gateway from stopping', async (t) => {
  const backend = await answering()
  t.after(() => backend.close())
  const gateway = await startGateway(
    { BACKENDS: backend.url, WORKERS: '1', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' },
    ['--import', join(root, 'examples/tracing/otel.mjs'), join(root, 'dist/src/gateway/main.js')],
  )
  t.after(() => gateway.stop())
  assert.equal((await call(gateway.url)).status, 200)
  assert.equal(await gateway.stop(), 0)
})

test('spans of a gateway with routes are named by the path of the route', async (t) => {
  const collector = await collecting(t)
  const backend = await answering()
  t.after(() => backend.close())
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-traces-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'gateway.yaml')
  writeFileSync(
    file,
    `listen: [{ host: 127.0.0.1, port: 0 }]
admin: off
pools: { users: { backends: ['${backend.url}'] } }
routes: [{ name: people, match: { path: /users }, pool: users, stripPrefix: /users }]
`,
  )
  const gateway = await startGateway(
    { CONFIG_FILE: file, ADMIN_PORT: 'off', WORKERS: '1', OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
    ['--import', join(root, 'examples/tracing/otel.mjs'), join(root, 'dist/src/gateway/main.js')],
  )
  t.after(() => gateway.stop())
  assert.equal((await call(`${gateway.url}/users/ann`)).status, 200)
  assert.equal(await gateway.stop(), 0)
  const server = collector.spans.find(({ kind }) => kind === SERVER)
  const of = (name: string) => server?.attributes.find(({ key }) => key === name)?.value.stringValue
  assert.deepEqual(
    [server?.name, of('http.route'), of('url.path'), of('leastwise.route'), of('leastwise.pool')],
    ['GET /users', '/users', '/users/ann', 'people', 'users'],
  )
})

test('where the package of the API is not installed, the fields of a trace pass as they came', async (t) => {
  const backend = await answering()
  t.after(() => backend.close())
  const gateway = await startGateway({ BACKENDS: backend.url, WORKERS: '1' }, [
    '--import',
    join(root, 'dist/bench/cost/rivals/without-api.js'),
    join(root, 'dist/src/gateway/main.js'),
  ])
  t.after(() => gateway.stop())
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  assert.equal((await call(gateway.url, { headers: { traceparent } })).status, 200)
  assert.equal(backend.seen[0]?.headers.traceparent, traceparent)
  assert.equal(await gateway.stop(), 0)
})
