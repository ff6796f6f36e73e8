import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { answering, changing, status, type TestBackend } from '../support/backend.js'
import { call, callJson, load } from '../support/client.js'
import { type GatewayProcess, startGateway } from '../support/process.js'
import { RawClient } from '../support/raw.js'

async function started(t: TestContext, backends: TestBackend[], env: Record<string, string> = {}) {
  for (const backend of backends) t.after(() => backend.close())
  const gateway = await startGateway({ BACKENDS: named(backends), ...env })
  t.after(() => gateway.stop('SIGKILL'))
  return gateway
}

const named = (backends: TestBackend[]) => backends.map(({ url }, i) => `${url};id=b${i}`).join()
const view = async (gateway: GatewayProcess, i: number) =>
  (await callJson('GET', `${gateway.admin}/backends/b${i}`)).json
const isEjected = (i: number) => (line: Record<string, unknown>) =>
  line.event === 'health' && line.backend === `b${i}` && line.health === 'ejected'

test('ejected ones come back through one trial request, and not all of them are out at once', async (t) => {
  const sick = [await changing(status(502)), await changing(status(504)), await changing(status(503))]
  const gateway = await started(t, sick, { EJECT_BASE: '300', EJECT_CONSECUTIVE: '2', SLOW_START: '0' })
  await load(gateway.url, { total: 100, concurrency: 5, method: 'POST' })
  const { backends } = (await callJson('GET', `${gateway.admin}/backends`)).json
  const out = backends.filter(({ health }: { health: string }) => health === 'ejected')
  assert.equal(out.length, 1, 'one of three is 33 %, two were 67')
  assert.ok(Date.parse(out[0].ejectedUntil) > 0)
  for (const backend of sick) backend.become(status(200))
  const stop = new AbortController()
  const under = load(gateway.url, { concurrency: 5, method: 'POST', stop: stop.signal })
  await gateway.line(
    ({ event, backend, health }) => event === 'health' && backend === out[0].id && health === 'unknown',
  )
  stop.abort()
  await under
})

test('the trial of one that is still sick is a single request', async (t) => {
  const sick = await changing(status(500))
  const gateway = await started(t, [sick, await answering()], { EJECT_BASE: '500', FAILURE_DECAY: '0' })
  const ejections = () => gateway.lines.filter(isEjected(0)).length
  // One after the other, so that none is on its way when the fifth failure ejects it.
  while (sick.total < 5) await call(gateway.url, { method: 'POST' })
  const stop = new AbortController()
  const under = load(gateway.url, { concurrency: 20, method: 'POST', stop: stop.signal })
  while (ejections() < 2) await gateway.next()
  stop.abort()
  await under
  await gateway.stop()
  // Each ejection after the first is the answer to one trial; on a slow machine there may have been more of them.
  assert.equal(sick.total, 5 + ejections() - 1)
})

test('a pool of one is never without it', async (t) => {
  const sick = await changing(status(500))
  const gateway = await started(t, [sick])
  const statuses = await load(gateway.url, { total: 50, concurrency: 5 })
  assert.deepEqual([...statuses], [[500, 50]])
  sick.become(status(200))
  assert.equal((await call(gateway.url)).status, 200)
})

test('ejected backends are used before 503 is answered', async (t) => {
  const [one, two] = [await changing(status(500)), await changing(status(500))]
  const gateway = await started(t, [one, two], { EJECT_MAX_PERCENT: '100', EJECT_CONSECUTIVE: '1' })
  await load(gateway.url, { total: 10, concurrency: 1 })
  const pool = await callJson('GET', `${gateway.admin}/pool`)
  assert.deepEqual([pool.json.panic, pool.json.eligible], [true, 2])
  one.become(status(200))
  two.become(status(200))
  assert.equal((await call(gateway.url)).status, 200)
  assert.equal((await callJson('GET', `${gateway.admin}/pool`)).json.panic, false)
  const off = await started(t, [await changing(status(500))], {
    PANIC: 'off',
    EJECT_MAX_PERCENT: '100',
    EJECT_CONSECUTIVE: '1',
  })
  await call(off.url)
  assert.equal(JSON.parse((await call(off.url)).text).code, 'LEASTWISE_NO_BACKEND')
})

test('no client can bring a backend into disrepute', async (t) => {
  const [one, two] = [await answering(20), await answering(20)]
  const gateway = await started(t, [one, two], { EJECT_CONSECUTIVE: '1', MAX_BODY: '1000' })
  const port = Number(new URL(gateway.url).port)
  const heads = [
    'GET / HTTP/1.1\r\nhost: a\r\n\r\n',
    'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf',
    'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n',
    'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n',
    `POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n7d0\r\n${'x'.repeat(2000)}\r\n0\r\n\r\n`,
    'POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n',
    'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
  ]
  for (const head of heads) {
    const client = new RawClient(gateway.url).send(head)
    await client.until(/HTTP|$/)
    client.reset()
    const other = connect(port, '127.0.0.1').on('error', () => {})
    other.end(head)
    other.resume()
    await once(other, 'close')
  }
  for (;;) {
    const { inFlight } = (await callJson('GET', `${gateway.admin}/pool`)).json
    if (inFlight === 0) break
  }
  for (const i of [0, 1]) {
    const { health, failed, share } = await view(gateway, i)
    assert.deepEqual([health, failed, share], ['unknown', 0, 1])
  }
})
