import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { setTimeout as pass } from 'node:timers/promises'
import { holding, TestBackend } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { startGateway } from '../support/process.js'
import { RawClient } from '../support/raw.js'

/** Milliseconds, and more than anything below may take. */
const STANDSTILL = 5000
const LIMIT = '3000'

describe('a standstill', { concurrency: true }, () => {
  test('a process that was stopped for longer than anybody may wait loses nobody, and blames nobody', async (t) => {
    const held = await holding()
    t.after(() => held.close())
    let hold = true
    const backend = await new TestBackend((request, response) => {
      if (hold || request.url === '/healthz') held.server.emit('request', request, response)
      else request.resume().once('end', () => response.end('ok'))
    }).listen()
    t.after(() => backend.close())
    const gateway = await startGateway({
      BACKENDS: `${backend.url};id=one;maxConnections=2`,
      RETRIES: '0',
      QUEUE_TIMEOUT: LIMIT,
      RESPONSE_TIMEOUT: LIMIT,
      MAX_EVENT_LOOP_DELAY: '200',
      EJECT_CONSECUTIVE: '1',
      EJECT_MAX_PERCENT: '100',
      HEALTH_PATH: '/healthz',
      HEALTH_TIMEOUT: '3000',
      HEALTH_INTERVAL: '100',
      HEALTH_FALL: '1',
    })
    t.after(() => gateway.stop('SIGKILL'))
    const one = async () => (await callJson('GET', `${gateway.admin}/backends/one`)).json
    // The first check decides, and one more is under way when the process is stopped.
    held.release()
    while ((await one()).health !== 'healthy') held.release()
    const asked = Array.from({ length: 8 }, () => call(gateway.url))
    for (;;) {
      const { inFlight, queue } = (await callJson('GET', `${gateway.admin}/pool`)).json
      if (inFlight === 2 && queue.length === 6) break
    }
    await backend.untilOpen(3)
    gateway.child.kill('SIGSTOP')
    await pass(STANDSTILL)
    // All that was waited for is there before it goes on.
    hold = false
    held.release()
    gateway.child.kill('SIGCONT')
    const answers = await Promise.all(asked)
    assert.deepEqual(
      answers.map(({ status }) => status),
      answers.map(() => 200),
      answers.map(({ text }) => text).join(),
    )
    // Nobody is refused for the one long turn of the loop, in the second after it or in the next.
    const until = performance.now() + 2500
    while (performance.now() < until) assert.equal((await call(gateway.url)).status, 200)
    const { failed, ejectedUntil, latency, inFlight } = await one()
    assert.deepEqual([failed, ejectedUntil, inFlight], [0, null, 0])
    assert.ok(latency.p99 < STANDSTILL, `${latency.p99}`)
    const warnings = gateway.lines.filter(({ level }) => Number(level) > 30)
    assert.deepEqual(warnings, [])
  })

  test('nor is a client blamed that sent the rest of its body meanwhile, or a request cut at the end', async (t) => {
    const backend = await new TestBackend((request, response) => {
      let length = 0
      request.on('data', (chunk: Buffer) => {
        length += chunk.length
      })
      request.once('end', () => response.end(`${length}`))
    }).listen()
    t.after(() => backend.close())
    const gateway = await startGateway({
      BACKENDS: backend.url,
      BODY_TIMEOUT: LIMIT,
      SHUTDOWN_TIMEOUT: LIMIT,
    })
    t.after(() => gateway.stop('SIGKILL'))
    const client = new RawClient(gateway.url)
    t.after(() => client.close())
    client.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhello')
    await backend.untilOpen(1)
    gateway.child.kill('SIGTERM')
    await gateway.line(({ msg }) => msg === 'shutting down')
    gateway.child.kill('SIGSTOP')
    client.send('world')
    await pass(STANDSTILL)
    gateway.child.kill('SIGCONT')
    const answer = await client.untilClosed()
    assert.match(answer, /^HTTP\/1\.1 200 /)
    assert.match(answer, /10$/)
    const [code] =
      gateway.child.exitCode === null ? await once(gateway.child, 'exit') : [gateway.child.exitCode]
    assert.equal(code, 0)
  })
})
