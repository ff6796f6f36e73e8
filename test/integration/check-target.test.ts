import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { answering, deadUrl, status, TestBackend } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { type GatewayProcess, runServer, startGateway } from '../support/process.js'

const CHECKS = { HEALTH_PATH: '/healthz', HEALTH_INTERVAL: '30', HEALTH_RISE: '1', HEALTH_FALL: '1' }

async function started(t: TestContext, env: Record<string, string>): Promise<GatewayProcess> {
  const gateway = await startGateway({ ...CHECKS, ...env })
  t.after(() => gateway.stop('SIGKILL'))
  return gateway
}

/** A backend whose status depends on what it is asked for. */
async function choosy(t: TestContext, statusOf: (host: string, isCheck: boolean) => number) {
  const backend = await new TestBackend((request, response) => {
    status(statusOf(request.headers.host ?? '', request.url === '/healthz'))(request, response)
  }).listen()
  t.after(() => backend.close())
  return backend
}

const becomes = (gateway: GatewayProcess, health: string, from = 0) =>
  gateway.line(
    (line) => gateway.lines.indexOf(line) >= from && line.event === 'health' && line.health === health,
  )

const ask = (gateway: GatewayProcess, host: string) => call(gateway.url, { headers: { host } })

const checksOf = ({ seen }: TestBackend) => seen.filter(({ url }) => url === '/healthz')

/** Resolves once so many more checks have come. */
async function untilChecked(backend: TestBackend, more: number): Promise<void> {
  const enough = checksOf(backend).length + more
  while (checksOf(backend).length < enough) await once(backend.server, 'arrived')
}

test('a backend that takes only the Host of its site is found to be well, with what clients ask for', async (t) => {
  const shop = await choosy(t, (host) => (host === 'shop.example' ? 200 : 421))
  const gateway = await started(t, { BACKENDS: shop.url })
  await becomes(gateway, 'unhealthy')
  assert.equal((await ask(gateway, 'shop.example')).status, 503)
  await becomes(gateway, 'healthy')
  assert.equal((await ask(gateway, 'shop.example')).status, 200)
})

test('nothing that clients say as Host makes a healthy backend unhealthy', async (t) => {
  // It answers everything, and fails the checks of names that it does not know.
  const own = await choosy(t, (host, isCheck) => (isCheck && host.startsWith('evil') ? 503 : 200))
  const shop = await choosy(t, (host, isCheck) => (isCheck && host !== 'shop.example' ? 404 : 200))
  const gateway = await started(t, {
    BACKENDS: `${own.url};id=own,${shop.url};id=shop`,
    POLICY: 'round-robin',
  })
  const healthy = (id: string) =>
    gateway.line(({ event, backend, health }) => event === 'health' && backend === id && health === 'healthy')
  await healthy('own')
  await ask(gateway, 'shop.example')
  await healthy('shop')
  for (let i = 0; i < 6; i++) {
    await ask(gateway, `evil${i}.example`)
    await Promise.all([untilChecked(own, 2), untilChecked(shop, 2)])
  }
  await Promise.all([untilChecked(own, 6), untilChecked(shop, 6)])
  const { json } = await callJson('GET', `${gateway.admin}/backends`)
  assert.deepEqual(
    json.backends.map(({ health }: { health: string }) => health),
    ['healthy', 'healthy'],
  )
  const fell = gateway.lines.filter(({ event, health }) => event === 'health' && health === 'unhealthy')
  assert.deepEqual(
    fell.map(({ backend }) => backend),
    ['shop'],
    'once, before its Host was known',
  )
})

test('a check says the Host that requests were answered well with, and no other', async (t) => {
  const backend = await choosy(t, (host) => (host === 'nobody.example' ? 404 : 200))
  const gateway = await started(t, { BACKENDS: backend.url })
  await becomes(gateway, 'healthy')
  assert.equal(checksOf(backend)[0]?.headers.host, new URL(backend.url).host)
  await ask(gateway, 'shop.example')
  await untilChecked(backend, 2)
  assert.equal(checksOf(backend).at(-1)?.headers.host, 'shop.example')
  await ask(gateway, 'nobody.example')
  await untilChecked(backend, 2)
  assert.equal(checksOf(backend).at(-1)?.headers.host, 'shop.example')
})

test('a backend that sees its own address is checked with that', async (t) => {
  const backend = await answering()
  t.after(() => backend.close())
  const gateway = await started(t, { BACKENDS: backend.url, HOST_HEADER: 'backend' })
  await ask(gateway, 'shop.example')
  await untilChecked(backend, 3)
  assert.deepEqual(
    [...new Set(checksOf(backend).map(({ headers }) => headers.host))],
    [new URL(backend.url).host],
  )
})

test('port and Host of checks can be set, for all backends and for each', async (t) => {
  const [traffic, health] = [await choosy(t, (_, isCheck) => (isCheck ? 404 : 200)), await answering()]
  t.after(() => health.close())
  const gateway = await started(t, {
    BACKENDS: `${traffic.url};id=a;healthPort=${health.port};healthHost=shop.example`,
    HEALTH_PORT: '1',
    HEALTH_HOST: 'all.example',
  })
  await becomes(gateway, 'healthy')
  assert.deepEqual([...new Set(health.seen.map(({ headers }) => headers.host))], ['shop.example'])
  const from = gateway.lines.length
  const { json } = await callJson('PATCH', `${gateway.admin}/backends/a`, {
    healthPort: null,
    healthHost: null,
  })
  assert.deepEqual([json.healthPort, json.healthHost], [null, null])
  const { lastCheck } = await becomes(gateway, 'unhealthy', from)
  assert.equal(lastCheck, 'ECONNREFUSED', 'on port 1')
  const later = gateway.lines.length
  await callJson('PATCH', `${gateway.admin}/backends/a`, { healthPort: health.port })
  await becomes(gateway, 'healthy', later)
  await untilChecked(health, 2)
  assert.equal(health.seen.at(-1)?.headers.host, 'all.example')
})

test('without a Host to say, a check of another port names that port', async (t) => {
  const health = await answering()
  t.after(() => health.close())
  const gateway = await started(t, { BACKENDS: deadUrl(), HEALTH_PORT: String(health.port) })
  await becomes(gateway, 'healthy')
  assert.equal(health.seen[0]?.headers.host, `127.0.0.1:${health.port}`)
})

test('with HEALTH_INITIAL=unusable no client meets a backend that never passed a check', async (t) => {
  let health = 503
  const backend = await choosy(t, (_, isCheck) => (isCheck ? health : 200))
  const env = {
    HEALTH_INITIAL: 'unusable',
    PANIC: 'unhealthy',
    SLOW_START: '0',
    STATE_FILE: join(mkdtempSync(join(tmpdir(), 'leastwise-')), 'state.json'),
    BACKENDS: `${backend.url};id=a`,
  }
  const gateway = await started(t, env)
  const refused = async ({ url, admin }: GatewayProcess) => {
    const reply = await call(url)
    assert.deepEqual([reply.status, JSON.parse(reply.text).code], [503, 'LEASTWISE_NO_BACKEND'])
    assert.equal((await call(`${admin}/readyz`)).status, 503)
  }
  await refused(gateway)
  await untilChecked(backend, 3)
  await refused(gateway)
  const explained = await callJson('POST', `${gateway.admin}/explain`, {})
  assert.match(explained.json.backends[0].reason, /unhealthy: the last check said status 503/)
  health = 200
  await becomes(gateway, 'healthy')
  assert.equal((await call(gateway.url)).status, 200)
  // Later it is as any other: with every backend unhealthy, one that once passed is used in a panic.
  health = 503
  const from = gateway.lines.length
  await becomes(gateway, 'unhealthy', from)
  assert.equal((await call(gateway.url)).status, 200)

  const late = await choosy(t, (_, isCheck) => (isCheck ? 503 : 200))
  await callJson('POST', `${gateway.admin}/backends`, { url: late.url, id: 'late' })
  for (let i = 0; i < 5; i++) await call(gateway.url)
  await untilChecked(late, 2)
  for (let i = 0; i < 5; i++) await call(gateway.url)
  assert.equal(late.total, checksOf(late).length)

  await gateway.stop()
  const again = await started(t, env)
  await refused(again)
})

test('that backends wait for a check is refused where there are no checks', async () => {
  const { code, stdout, stderr } = await runServer({
    HEALTH_INITIAL: 'unusable',
    PORT: '0',
    ADMIN_PORT: 'off',
  })
  assert.equal(code, 1)
  assert.match(stdout + stderr, /HEALTH_INITIAL does not accept "unusable": HEALTH_PATH is empty/)
})
