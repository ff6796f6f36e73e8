import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Agent } from 'undici'
import { answering, TestBackend } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { type GatewayProcess, startGateway } from '../support/process.js'
import { noSharedPort } from '../support/shared-port.js'

/** Connections that are kept, as many as make it certain that each of two threads has some of them. */
const CONNECTIONS = 24

/** Starts a gateway with two threads that carry traffic. */
async function twoThreads(t: TestContext, backends: TestBackend[], env: Record<string, string> = {}) {
  const gateway = await startGateway({
    WORKERS: '2',
    SLOW_START: '0',
    BACKENDS: backends.map(({ url }) => url).join(),
    ...env,
  })
  const agents = Array.from({ length: CONNECTIONS }, () => new Agent({ connections: 1, pipelining: 1 }))
  t.after(async () => {
    await Promise.all(agents.map((agent) => agent.destroy()))
    await gateway.stop('SIGKILL')
    await Promise.all(backends.map((backend) => backend.close()))
  })
  return {
    gateway,
    /** Sends a request over each connection, and returns how many reached each backend. */
    async round(path = '/') {
      const before = backends.map(({ total }) => total)
      const replies = await Promise.all(
        agents.map((dispatcher) => call(`${gateway.url}${path}`, { dispatcher })),
      )
      assert.deepEqual(new Set(replies.map(({ status }) => status)), new Set([200]))
      return backends.map(({ total }, i) => total - (before[i] as number))
    },
  }
}

const backendsOf = ({ admin }: GatewayProcess, path = '') => `${admin}/backends${path}`

test('several threads proxy, and are seen as one gateway', { skip: noSharedPort }, async (t) => {
  const backends = [await answering(), await answering()]
  const { gateway, round } = await twoThreads(t, backends)
  const ready = await gateway.line(({ msg }) => msg === 'gateway ready')
  assert.equal(ready.workers, 2)
  const counts = await round()
  const { json: pool } = await callJson('GET', `${gateway.admin}/pool`)
  assert.deepEqual([pool.requests, pool.inFlight], [CONNECTIONS, 0])
  const { json } = await callJson('GET', backendsOf(gateway))
  assert.deepEqual(
    json.backends.map(({ total }: { total: number }) => total),
    counts,
  )
  assert.equal(await gateway.stop(), 0)
})

test('a change over the API is answered once every thread follows it', { skip: noSharedPort }, async (t) => {
  const [a, b] = [await answering(), await answering()]
  const { gateway, round } = await twoThreads(t, [a, b])
  const { json } = await callJson('GET', backendsOf(gateway))
  const { id } = json.backends[1]
  for (let i = 0; i < 10; i++) {
    await callJson('POST', backendsOf(gateway, `/${id}/drain`))
    assert.deepEqual(await round(), [CONNECTIONS, 0], 'none to a backend that drains')
    await callJson('POST', backendsOf(gateway, `/${id}/activate`))
    assert.notEqual((await round())[1], 0, 'some to a backend that is active again')
    await callJson('DELETE', backendsOf(gateway, `/${id}?force=true`))
    assert.deepEqual(await round(), [CONNECTIONS, 0], 'none to a backend that was removed')
    const { status } = await callJson('POST', backendsOf(gateway), { url: b.url, id })
    assert.equal(status, 201)
    assert.notEqual((await round())[1], 0, 'some to a backend that was registered')
    const policy = i % 2 === 0 ? 'round-robin' : 'least-connections'
    await callJson('PUT', `${gateway.admin}/policy`, { policy })
    await round(`/after-${i}`)
    const lines = () => gateway.lines.filter(({ path }) => path === `/after-${i}`)
    while (lines().length < CONNECTIONS) await gateway.next()
    assert.deepEqual(new Set(lines().map((line) => line.policy)), new Set([policy]))
  }
})

test('a limit of requests in flight holds over all threads', { skip: noSharedPort }, async (t) => {
  let most = 0
  const backend: TestBackend = await new TestBackend((_request, response) => {
    most = Math.max(most, backend.open)
    setImmediate(() => response.end('ok'))
  }).listen()
  const { round } = await twoThreads(t, [backend], { MAX_CONNECTIONS: '3' })
  for (let i = 0; i < 10; i++) await round()
  assert.equal(most, 3)
})
