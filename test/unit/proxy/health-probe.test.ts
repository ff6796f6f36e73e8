import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import type { CheckResult } from '../../../src/balancer/backends/backend-view.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import { systemClock } from '../../../src/balancer/time/clock.js'
import { CheckHosts } from '../../../src/proxy/upstream/health-check/check-hosts.js'
import { healthProbe } from '../../../src/proxy/upstream/health-check/health-probe.js'
import { deadUrl } from '../../support/backend.js'
import { field, RawBackend, type Script } from '../../support/raw.js'

async function backend(t: TestContext, script: Script): Promise<RawBackend> {
  const made = await new RawBackend(script).listen()
  t.after(() => made.close())
  return made
}

function probing(url: string, { timeout = 5000, status = '200-399' } = {}) {
  const { registry } = new Balancer({ backends: [url] })
  const [target] = registry.list()
  const hosts = new CheckHosts({ registry, healthHost: '', hostHeader: 'client', refused: () => undefined })
  assert.ok(target)
  const probe = healthProbe({
    path: '/health?full',
    port: 0,
    hosts,
    timeout,
    status,
    clock: systemClock,
    onFailed() {},
  })
  const results: (CheckResult | undefined)[] = []
  let over = () => {}
  const done = new Promise<void>((resolve) => {
    over = resolve
  })
  const cancel = probe(target, (result) => {
    results.push(result)
    over()
  })
  return { results, cancel, done }
}

async function check(url: string, options?: Parameters<typeof probing>[1]): Promise<CheckResult> {
  const { results, done } = probing(url, options)
  await done
  return results[0] as CheckResult
}

const answer = (status: string, body = 'ok') =>
  `HTTP/1.1 ${status} x\r\nContent-Length: ${body.length}\r\n\r\n${body}`

test('a check is a GET of the path, on a connection of its own that is closed after it', async (t) => {
  const one = await backend(t, answer('200'))
  assert.equal((await check(one.url)).passed, true)
  assert.equal((await check(one.url)).passed, true)
  assert.match(one.last, /^GET \/health\?full HTTP\/1\.1\r\n/)
  assert.equal(field(one.last, 'host'), new URL(one.url).host)
  assert.equal(field(one.last, 'user-agent'), 'leastwise')
  assert.equal(one.connections, 2)
  await one.until(({ sockets }) => sockets.size === 0)
})

test('the status decides, as the setting says', async (t) => {
  const results: Record<string, boolean[]> = {}
  for (const status of ['200', '204', '302', '399', '400', '401', '500', '503']) {
    const one = await backend(t, status === '204' ? 'HTTP/1.1 204 x\r\n\r\n' : answer(status))
    const named = (await check(one.url, { status: '200, 400-401' })).passed
    results[status] = [(await check(one.url)).passed, named]
  }
  assert.deepEqual(results, {
    200: [true, true],
    204: [true, false],
    302: [true, false],
    399: [true, false],
    400: [false, true],
    401: [false, true],
    500: [false, false],
    503: [false, false],
  })
})

test('what a check found is told, and whether anything was answered', async (t) => {
  const found = async (script: Script) => {
    const { passed, answered, detail } = await check((await backend(t, script)).url)
    return [passed, answered, detail]
  }
  assert.deepEqual(await found(answer('503')), [false, true, 'status 503'])
  assert.deepEqual(await found((socket) => socket.resetAndDestroy()), [false, false, 'ECONNRESET'])
  assert.deepEqual(await found((socket) => socket.end()), [false, false, 'ECONNRESET'])
  assert.deepEqual(await found('what?\r\n\r\n'), [false, false, 'HPE_INVALID_CONSTANT'])
  assert.deepEqual(await found('HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n'), [
    false,
    false,
    'no answer',
  ])
  assert.deepEqual(await found(`HTTP/1.1 103 Early Hints\r\n\r\n${answer('200')}`), [
    true,
    true,
    'status 200',
  ])
  const refused = await check(deadUrl())
  assert.deepEqual([refused.passed, refused.answered, refused.detail], [false, false, 'ECONNREFUSED'])
  const unknown = await check('http://nobody.invalid')
  assert.deepEqual([unknown.passed, unknown.answered], [false, false])
})

test('one that is late has failed, and its connection is closed', async (t) => {
  const silent = await backend(t, () => {})
  const { results, done } = probing(silent.url, { timeout: 50 })
  await done
  assert.deepEqual([results[0]?.passed, results[0]?.detail], [false, 'timed out'])
  await silent.until(({ sockets }) => sockets.size === 0)
  assert.equal(results.length, 1)
})

test('a body that does not end is waited for no longer than the time of the check, and no more is read of it than is reasonable', async (t) => {
  const endless = await backend(t, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n')
  assert.equal((await check(endless.url, { timeout: 500 })).passed, true)
  await endless.until(({ sockets }) => sockets.size === 0)

  const large = await backend(t, answer('200', 'x'.repeat(50_000_000)))
  assert.equal((await check(large.url)).passed, true)
  await large.until(({ sockets }) => sockets.size === 0)
})

test('one that is cancelled says nothing, and its connection is closed', async (t) => {
  const silent = await backend(t, () => {})
  const { results, cancel } = probing(silent.url, { timeout: 100 })
  await silent.until(({ requests }) => requests.length === 1)
  const [socket] = silent.sockets
  assert.ok(socket)
  cancel()
  await once(socket, 'close')
  assert.equal(results.length, 0)
})
