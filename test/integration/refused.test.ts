import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import Fastify from 'fastify'
import leastwise from '../../src/index.js'
import { answering, deadUrl, holding, status, TestBackend } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { commandsWith } from '../support/command.js'
import { type Gateway, openGateway } from '../support/gateway.js'
import { startGateway } from '../support/process.js'
import { RawClient } from '../support/raw.js'

async function opened(t: TestContext, backends: { url: string }[], env: Record<string, string> = {}) {
  const gateway = await openGateway(backends, env)
  t.after(() => gateway.close())
  return gateway
}

/** Those that are not 0. */
function refused({ balancer }: Pick<Gateway, 'balancer'>): Record<string, number> {
  return Object.fromEntries(Object.entries(balancer.view().refused).filter(([, count]) => count > 0))
}

async function held(t: TestContext) {
  const backend = await holding()
  t.after(() => backend.close())
  return backend
}

test('without a usable backend each request is counted once, of every kind', async (t) => {
  const gateway = await opened(t, [])
  assert.deepEqual(Object.keys(gateway.balancer.view().refused), [
    'LEASTWISE_NO_BACKEND',
    'LEASTWISE_QUEUE_FULL',
    'LEASTWISE_QUEUE_TIMEOUT',
    'LEASTWISE_OVERLOADED',
    'LEASTWISE_STOPPED',
  ])
  for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS'] as const) {
    assert.equal((await call(gateway.url, { method, ...(method === 'POST' && { body: 'x' }) })).status, 503)
  }
  const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'
  assert.match(await new RawClient(gateway.url).send(upgrade).untilClosed(), /^HTTP\/1\.1 503/)
  assert.deepEqual(refused(gateway), { LEASTWISE_NO_BACKEND: 5 })
  assert.equal(gateway.balancer.view().requests, 0)
})

test('a full queue and one that takes too long are told apart; a client that leaves is not refused', async (t) => {
  const backend = await held(t)
  const gateway = await opened(t, [backend], {
    MAX_CONNECTIONS: '1',
    QUEUE_LIMIT: '1',
    QUEUE_TIMEOUT: '100',
  })
  const served = call(gateway.url)
  await backend.untilOpen(1)
  const gone = new RawClient(gateway.url).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  while (gateway.balancer.view().queue.length < 1) await new Promise(setImmediate)
  gone.close()
  while (gateway.balancer.view().queue.length > 0) await new Promise(setImmediate)
  const waits = call(gateway.url)
  while (gateway.balancer.view().queue.length < 1) await new Promise(setImmediate)
  assert.equal((await call(gateway.url)).status, 503)
  assert.equal((await waits).status, 503)
  backend.release()
  assert.equal((await served).status, 200)
  assert.deepEqual(refused(gateway), { LEASTWISE_QUEUE_FULL: 1, LEASTWISE_QUEUE_TIMEOUT: 1 })
})

test('what a backend does is not counted: its own 503, a refused connection, a retry that finds nobody', async (t) => {
  const busy = await new TestBackend(status(503)).listen()
  t.after(() => busy.close())
  const gateway = await opened(t, [busy], { EJECT_MAX_PERCENT: '0' })
  assert.equal((await call(gateway.url)).status, 503)
  assert.deepEqual(refused(gateway), {})
  const dead = await opened(t, [{ url: deadUrl() }], { RETRIES: '2', EJECT_MAX_PERCENT: '0' })
  assert.equal((await call(dead.url)).status, 502)
  assert.deepEqual(refused(dead), {})
})

test('requests that are shed, and those that are cut when the time is up, are counted', async (t) => {
  const backend = await held(t)
  const shedding = await opened(t, [backend], { MAX_HEAP_BYTES: '1' })
  const isShed = async () => (await callJson('GET', shedding.url)).json?.code === 'LEASTWISE_OVERLOADED'
  const serving = setInterval(() => backend.release(), 10)
  let shed = 0
  while (shed < 2) if (await isShed().catch(() => false)) shed++
  clearInterval(serving)
  assert.deepEqual(refused(shedding), { LEASTWISE_OVERLOADED: 2 })

  const stopped = await openGateway([backend], { MAX_CONNECTIONS: '1' })
  const answers = [call(stopped.url), call(stopped.url)]
  await backend.untilOpen(1)
  while (stopped.balancer.view().queue.length < 1) await new Promise(setImmediate)
  await stopped.close()
  for (const answer of answers) assert.equal((await answer).status, 503)
  assert.deepEqual(refused(stopped), { LEASTWISE_STOPPED: 2 })
})

test('pools of one app count apart, and only what is theirs', async (t) => {
  const app = Fastify()
  app.get('/own', (_request, reply) => reply.code(503).send('own'))
  await app.register(leastwise, { name: 'one', prefix: '/one' })
  await app.register(leastwise, { name: 'two', prefix: '/two' })
  t.after(() => app.close())
  for (const url of ['/own', '/one/x', '/two/x', '/two/y']) {
    assert.equal((await app.inject({ url })).statusCode, 503)
  }
  const counts = ['one', 'two'].map((name) => app.balancers.get(name)?.view().refused.LEASTWISE_NO_BACKEND)
  assert.deepEqual(counts, [1, 2])
})

test('GET /pool, snapshots and top show what is refused', async (t) => {
  const backend = await answering()
  t.after(() => backend.close())
  const gateway = await startGateway({ BACKENDS: `${backend.url};id=one` })
  t.after(() => gateway.stop('SIGKILL'))
  await callJson('POST', `${gateway.admin}/backends/one/drain`)
  let stop = false
  const clients = (async () => {
    for (let sent = 0; ; sent++) {
      if (stop) return sent
      await call(gateway.url)
    }
  })()
  const leastwiseTop = commandsWith({ LEASTWISE_URL: gateway.admin })
  const json = await leastwiseTop('top --once --json')
  assert.ok(JSON.parse(json.stdout).pool.recent.refusedPerSecond > 0, json.stdout)
  assert.match((await leastwiseTop('top --once')).stdout, / \| refused [1-9][\d.]*\/s \| /)
  stop = true
  const LEASTWISE_NO_BACKEND = await clients
  const { refused: counts, requests } = (await callJson('GET', `${gateway.admin}/pool`)).json
  assert.deepEqual([counts.LEASTWISE_NO_BACKEND, requests], [LEASTWISE_NO_BACKEND, 0])
  const events = await fetch(`${gateway.admin}/events`)
  let text = ''
  for await (const chunk of events.body as ReadableStream<Uint8Array>) {
    text += Buffer.from(chunk).toString()
    if (/event: snapshot\n.*\n\n/.test(text)) break
  }
  const snapshot = JSON.parse(/event: snapshot\ndata: (.*)\n/.exec(text)?.[1] ?? '')
  assert.equal(snapshot.pool.refused.LEASTWISE_NO_BACKEND, LEASTWISE_NO_BACKEND)
})
