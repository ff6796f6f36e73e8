import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { answering, changing, status, TestBackend } from '../support/backend.js'
import { call, callJson, load } from '../support/client.js'
import { type GatewayProcess, startGateway } from '../support/process.js'

const CHECKS = { HEALTH_PATH: '/healthz', HEALTH_INTERVAL: '50', HEALTH_TIMEOUT: '1000' }

async function started(t: TestContext, env: Record<string, string>): Promise<GatewayProcess> {
  const gateway = await startGateway(env)
  t.after(() => gateway.stop('SIGKILL'))
  return gateway
}

/** A backend that answers requests, and its checks with a status that can be changed. */
async function patient(t: TestContext, health = 200) {
  const state = { health, checks: 0 }
  const backend = await new TestBackend((request, response) => {
    if (request.url !== '/healthz') return status(200)(request, response)
    state.checks++
    status(state.health)(request, response)
  }).listen()
  t.after(() => backend.close())
  return Object.assign(backend, { state })
}

/** Resolves once a backend's health is told to have become that, in one of the lines from `known` on. */
const becomes = (gateway: GatewayProcess, backend: string, health: string, known = gateway.lines.length) =>
  gateway.line(
    (line) =>
      gateway.lines.indexOf(line) >= known &&
      line.event === 'health' &&
      line.backend === backend &&
      line.health === health,
  )

const healthOf = async (gateway: GatewayProcess, id: string) =>
  (await callJson('GET', `${gateway.admin}/backends/${id}`)).json.health

test('a sick backend gets no requests until it is well again; checks count nowhere', async (t) => {
  const [one, two] = [await patient(t), await patient(t)]
  const gateway = await started(t, {
    ...CHECKS,
    BACKENDS: `${one.url};id=one,${two.url};id=two`,
    SLOW_START: '0',
  })
  await gateway.line(({ backend, health }) => backend === 'one' && health === 'healthy')
  await gateway.line(({ backend, health }) => backend === 'two' && health === 'healthy')
  one.state.health = 503
  await becomes(gateway, 'one', 'unhealthy')
  const before = one.total - one.state.checks
  const statuses = await load(gateway.url, { total: 100, concurrency: 5 })
  assert.deepEqual([...statuses], [[200, 100]])
  assert.equal(one.total - one.state.checks, before)
  one.state.health = 204
  await becomes(gateway, 'one', 'healthy')
  await load(gateway.url, { total: 100, concurrency: 5 })
  assert.ok(one.total - one.state.checks >= before + 30)
  const { json } = await callJson('GET', `${gateway.admin}/backends/one`)
  assert.deepEqual(
    [json.total, json.inFlight, json.failed, json.lastCheck.passed, json.lastCheck.detail],
    [one.total - one.state.checks, 0, 0, true, 'status 204'],
  )
})

test('a new backend is unknown and used until its first result, which decides', async (t) => {
  let answer = () => {}
  const asked = new Promise<void>((resolve) => {
    answer = resolve
  })
  let sick = () => {}
  const slow = await new TestBackend((request, response) => {
    if (request.url !== '/healthz') return status(200)(request, response)
    sick = () => response.writeHead(500).end()
    answer()
  }).listen()
  t.after(() => slow.close())
  const gateway = await started(t, { ...CHECKS, HEALTH_TIMEOUT: '60000' })
  await callJson('POST', `${gateway.admin}/backends`, { url: slow.url, id: 'slow' })
  await asked
  assert.equal(await healthOf(gateway, 'slow'), 'unknown')
  assert.equal((await call(gateway.url)).status, 200)
  assert.equal((await call(`${gateway.admin}/readyz`)).status, 200)
  const found = becomes(gateway, 'slow', 'unhealthy')
  sick()
  assert.equal((await found).lastCheck, 'status 500')
  const { status: code, text } = await call(gateway.url)
  assert.deepEqual([code, JSON.parse(text).code], [503, 'LEASTWISE_NO_BACKEND'])
  assert.equal((await call(`${gateway.admin}/readyz`)).status, 503)
  assert.equal((await gateway.line(({ event }) => event === 'outage')).level, 50)
})

test('a slow check is never overlapped by the next', async (t) => {
  let open = 0
  let most = 0
  let checks = 0
  let enough = () => {}
  const seen = new Promise<void>((resolve) => {
    enough = resolve
  })
  const slow = await new TestBackend((_request, response) => {
    most = Math.max(most, ++open)
    response.once('close', () => open--)
    if (++checks === 4) enough()
    setTimeout(() => response.end(), 150)
  }).listen()
  t.after(() => slow.close())
  await started(t, { ...CHECKS, HEALTH_INTERVAL: '20', BACKENDS: slow.url })
  await seen
  assert.equal(most, 1)
})

test('one that does not answer in time is unhealthy, whatever else it does', async (t) => {
  const silent = await changing((request, response) => {
    if (request.url !== '/healthz') status(200)(request, response)
  })
  t.after(() => silent.close())
  const gateway = await started(t, { ...CHECKS, HEALTH_TIMEOUT: '100', BACKENDS: `${silent.url};id=silent` })
  const { lastCheck } = await becomes(gateway, 'silent', 'unhealthy', 0)
  assert.equal(lastCheck, 'timed out')
})

test('checks end with the process: it stops at once', async (t) => {
  const silent = await new TestBackend(() => {}).listen()
  t.after(() => silent.close())
  const gateway = await started(t, { ...CHECKS, HEALTH_TIMEOUT: '60000', BACKENDS: silent.url })
  await silent.untilOpen(1)
  assert.equal(await gateway.stop(), 0)
  await silent.untilOpen(0)
})

test('unhealthy ones are used where that is asked for, but none that refuses while another answers', async (t) => {
  const sick = await patient(t, 503)
  const gone = await answering()
  const gateway = await started(t, {
    ...CHECKS,
    PANIC: 'unhealthy',
    BACKENDS: `${sick.url};id=sick,${gone.url};id=gone`,
  })
  const found = Promise.all([
    becomes(gateway, 'sick', 'unhealthy', 0),
    becomes(gateway, 'gone', 'unhealthy', 0),
  ])
  await gone.close()
  await found
  const statuses = await load(gateway.url, { total: 20, concurrency: 2 })
  assert.deepEqual([...statuses], [[200, 20]])
  const { json } = await callJson('GET', `${gateway.admin}/backends/gone`)
  const before = json.total
  await load(gateway.url, { total: 20, concurrency: 2 })
  assert.equal((await callJson('GET', `${gateway.admin}/backends/gone`)).json.total, before)
  assert.deepEqual(
    [
      (await callJson('GET', `${gateway.admin}/pool`)).json.panic,
      gateway.lines.some(({ event }) => event === 'panic'),
    ],
    [true, true],
  )
})
