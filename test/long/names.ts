import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, renameSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { call, callJson } from '../support/client.js'
import { type GatewayProcess, healthLine, root, startGateway } from '../support/process.js'
import { RawClient } from '../support/raw.js'

const server = join(root, 'dist/src/gateway/main.js')
const CHECKS = {
  HEALTH_PATH: '/',
  HEALTH_INTERVAL: '50',
  HEALTH_TIMEOUT: '300',
  HEALTH_FALL: '1',
  HEALTH_RISE: '1',
  CONNECT_TIMEOUT: '300',
  EJECT_CONSECUTIVE: '1',
}

/** What becomes of a look-up: an address, a code, or milliseconds before 127.0.0.1 is the answer. */
type Answers = Record<string, string | number>

/** A gateway that asks a resolver of the test's. */
async function started(t: TestContext, answers: Answers, env: Record<string, string>) {
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
  const [control, preload] = [join(folder, 'answers.json'), join(folder, 'preload.mjs')]
  // Renamed, as the gateway may read it at any moment.
  const become = (next: Answers) => {
    writeFileSync(`${control}.new`, JSON.stringify(next))
    renameSync(`${control}.new`, control)
  }
  become(answers)
  writeFileSync(
    preload,
    `import dns from 'node:dns'
    import { readFileSync } from 'node:fs'
    const { lookup } = dns
    dns.lookup = (name, options, done) => {
      const answer = JSON.parse(readFileSync(${JSON.stringify(control)}, 'utf8'))[name]
      if (answer === undefined) return lookup(name, options, done)
      if (typeof answer === 'number') setTimeout(done, answer, null, [{ address: '127.0.0.1', family: 4 }])
      else if (/^\\d/.test(answer)) process.nextTick(done, null, [{ address: answer, family: 4 }])
      else process.nextTick(done, Object.assign(new Error('getaddrinfo ' + answer), { code: answer }))
    }`,
  )
  const gateway = await startGateway({ ...CHECKS, ...env }, ['--import', preload, server])
  t.after(() => gateway.stop('SIGKILL'))
  return { gateway, become }
}

/** A backend that closes each connection after its answer, so that each request needs a new one. */
async function serving(
  t: TestContext,
  host = '127.0.0.1',
  port = 0,
): Promise<{ server: Server; port: number }> {
  const backend = createServer((request, response) => {
    request.resume()
    response.writeHead(200, { connection: 'close' }).end('ok')
  }).listen(port, host)
  await once(backend, 'listening')
  t.after(() => backend.close())
  return { server: backend, port: (backend.address() as AddressInfo).port }
}

/** Resolves to the line that says that the name of a backend could never be resolved. */
const unresolved = (gateway: GatewayProcess, id: string) =>
  gateway.line(({ event, backend, reason }) => event === 'health' && backend === id && reason !== undefined)

const send = ({ url }: GatewayProcess, method: 'GET' | 'POST' = 'GET') =>
  call(url, { method, ...(method === 'POST' && { body: 'x' }) })

const viewOf = async ({ admin }: GatewayProcess, id: string) =>
  (await callJson('GET', `${admin}/backends/${id}`)).json

test('four names whose look-ups hang take nothing from a fifth', async (t) => {
  const { port } = await serving(t)
  const hanging = ['a', 'b', 'c', 'd'].map((name) => `${name}.test`)
  const answers = { ...Object.fromEntries(hanging.map((name) => [name, 3_600_000])), 'e.test': '127.0.0.1' }
  const { gateway } = await started(t, answers, {
    BACKENDS: [...hanging, 'e.test'].map((name) => `http://${name}:${port};id=${name[0]}`).join(),
  })
  await healthLine(gateway, 'e', 'healthy')
  for (const id of ['a', 'b', 'c', 'd']) await unresolved(gateway, id)
  for (const method of ['GET', 'POST', 'GET', 'POST'] as const) {
    assert.equal((await send(gateway, method)).status, 200)
  }
  const { health, failed, share } = await viewOf(gateway, 'e')
  assert.deepEqual([health, failed, share], ['healthy', 0, 1])
  const hung = await viewOf(gateway, 'a')
  assert.deepEqual([hung.unresolved, hung.health, hung.failed], ['ETIMEOUT', 'unknown', 0])
})

describe('what takes seconds', { concurrency: 2 }, () => {
  test('while the resolver fails backends are used at their last address, and stay healthy', async (t) => {
    const { port } = await serving(t)
    const { gateway, become } = await started(
      t,
      { 'a.test': '127.0.0.1', 'b.test': '127.0.0.1' },
      { BACKENDS: `http://a.test:${port};id=a,http://b.test:${port};id=b` },
    )
    await healthLine(gateway, 'a', 'healthy')
    await healthLine(gateway, 'b', 'healthy')
    const from = gateway.lines.length
    for (const answer of ['EAI_AGAIN', 'ENOTFOUND', 3_600_000]) {
      become({ 'a.test': answer, 'b.test': answer })
      // Long enough for the last answer to be stale.
      const until = Date.now() + 2500
      while (Date.now() < until) {
        assert.equal((await send(gateway, 'GET')).status, 200)
        assert.equal((await send(gateway, 'POST')).status, 200)
        await pause(10)
      }
    }
    assert.deepEqual(
      gateway.lines.slice(from).filter(({ event }) => event === 'health'),
      [],
    )
    for (const id of ['a', 'b']) assert.equal((await viewOf(gateway, id)).failed, 0)
  })

  test('how long a look-up takes is part of no time that a backend has', async (t) => {
    const { port } = await serving(t)
    for (const method of ['GET', 'POST'] as const) {
      const { gateway } = await started(t, { 'a.test': 1000 }, { BACKENDS: `http://a.test:${port};id=a` })
      assert.equal((await send(gateway, method)).status, 200)
      await healthLine(gateway, 'a', 'healthy')
      assert.deepEqual(
        gateway.lines.filter(({ health }) => health === 'unhealthy'),
        [],
      )
    }
  })

  test('a backend whose name was never resolved is out, is not to blame, and is used as soon as it has an address', async (t) => {
    const { port } = await serving(t)
    const { gateway, become } = await started(
      t,
      { 'a.test': 'ENOTFOUND', 'b.test': '127.0.0.1' },
      {
        BACKENDS: `http://a.test:${port};id=a,http://b.test:${port};id=b`,
        SLOW_START: '0',
        PANIC: 'unhealthy',
      },
    )
    const line = await unresolved(gateway, 'a')
    assert.match(String(line.msg), /its name cannot be resolved \(ENOTFOUND\)/)
    for (let i = 0; i < 10; i++) assert.equal((await send(gateway)).status, 200)
    const { total, failed, unresolved: why } = await viewOf(gateway, 'a')
    assert.deepEqual([failed, why], [0, 'ENOTFOUND'])
    const { json } = await callJson('POST', `${gateway.admin}/explain`, {})
    const reason = json.backends.find(({ id }: { id: string }) => id === 'a').reason
    assert.equal(reason, 'not used: its name cannot be resolved (ENOTFOUND)')
    const from = gateway.lines.length
    become({ 'a.test': '127.0.0.1', 'b.test': '127.0.0.1' })
    await healthLine(gateway, 'a', 'healthy', from)
    for (let i = 0; i < 10; i++) assert.equal((await send(gateway)).status, 200)
    assert.ok((await viewOf(gateway, 'a')).total > total)
  })

  test('a client whose only backend has a name that hangs is told so, in time', async (t) => {
    const { port } = await serving(t)
    const { gateway } = await started(
      t,
      { 'a.test': 3_600_000 },
      { BACKENDS: `http://a.test:${port};id=a`, HEALTH_PATH: '' },
    )
    for (const method of ['GET', 'POST', 'GET'] as const) {
      const reply = await send(gateway, method)
      assert.equal(reply.status, 502)
      assert.match(JSON.parse(reply.text).message, /the name of the backend could not be resolved in time/)
    }
    await unresolved(gateway, 'a')
    assert.equal((await call(`${gateway.admin}/readyz`)).status, 503)
    const { failed, health, share } = await viewOf(gateway, 'a')
    assert.deepEqual([failed, health, share], [0, 'unknown', 1])
  })
})

test('a client that leaves while a name is looked up leaves nothing behind', async (t) => {
  const { port } = await serving(t)
  const { gateway } = await started(
    t,
    { 'a.test': 3_600_000 },
    { BACKENDS: `http://a.test:${port};id=a`, HEALTH_PATH: '' },
  )
  const inFlight = async (count: number) => {
    while ((await viewOf(gateway, 'a')).inFlight !== count) await new Promise(setImmediate)
  }
  const clients = ['GET', 'POST'].map((method) =>
    new RawClient(gateway.url).send(`${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`),
  )
  await inFlight(2)
  for (const client of clients) client.close()
  await inFlight(0)
  const { failed, total } = await viewOf(gateway, 'a')
  assert.deepEqual([failed, total], [0, 2])
})

test('a backend that has moved is found at its new address', async (t) => {
  const old = await serving(t, '127.0.0.2')
  const { gateway, become } = await started(
    t,
    { 'a.test': '127.0.0.2' },
    { BACKENDS: `http://a.test:${old.port};id=a`, HEALTH_PATH: '', EJECT_MAX_PERCENT: '0' },
  )
  assert.equal((await send(gateway)).status, 200)
  old.server.close()
  await once(old.server, 'close')
  await serving(t, '127.0.0.3', old.port)
  become({ 'a.test': '127.0.0.3' })
  let status = 0
  while (status !== 200) status = (await send(gateway)).status
  for (let i = 0; i < 5; i++) assert.equal((await send(gateway)).status, 200)
})
