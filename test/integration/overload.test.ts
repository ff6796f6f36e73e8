import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { answering } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { parseExposition } from '../support/exposition.js'
import { startGateway } from '../support/process.js'
import { until } from '../support/until.js'

test('while the event loop is blocked, requests are shed without a lease, and the admin API answers', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'leastwise-'))
  t.after(() => rm(folder, { recursive: true }))
  const script = join(folder, 'block.mjs')
  // Four fifths of the time the process does something else, until it is told to stop that.
  await writeFile(
    script,
    `let blocked = false
     process.on('SIGUSR1', () => { blocked = !blocked })
     setInterval(() => {
       const until = performance.now() + 80
       while (blocked && performance.now() < until);
     }, 20)`,
  )
  const backend = await answering()
  t.after(() => backend.close())
  const gateway = await startGateway({
    BACKENDS: `${backend.url};id=one`,
    MAX_EVENT_LOOP_DELAY: '40',
    NODE_OPTIONS: `--import=${script}`,
  })
  t.after(() => gateway.stop('SIGKILL'))
  // A machine that is busy itself may make it wait.
  await until(
    () => call(gateway.url),
    ({ status }) => status === 200,
  )
  gateway.child.kill('SIGUSR1')
  let shed = await call(gateway.url)
  while (shed.status === 200) shed = await call(gateway.url)
  assert.deepEqual([shed.status, JSON.parse(shed.text).code], [503, 'LEASTWISE_OVERLOADED'])
  assert.match(String(shed.headers['retry-after']), /^[1-9]\d*$/)
  await gateway.line(({ msg }) => /^overloaded/.test(String(msg)))
  for (let i = 0; i < 4; i++) {
    const { total } = (await callJson('GET', `${gateway.admin}/backends/one`)).json
    const { status } = await call(gateway.url, { method: i % 2 ? 'POST' : 'GET' })
    const after = (await callJson('GET', `${gateway.admin}/backends/one`)).json
    if (status === 503) assert.equal(after.total, total, 'no lease was taken')
    assert.deepEqual([after.inFlight, after.failed, after.health, after.share], [0, 0, 'unknown', 1])
  }
  assert.equal((await call(`${gateway.admin}/livez`)).status, 200)
  const drained = await callJson('POST', `${gateway.admin}/backends/one/drain`)
  const active = await callJson('POST', `${gateway.admin}/backends/one/activate`)
  assert.deepEqual([drained.json.state, active.json.state], ['draining', 'active'])
  const page = parseExposition((await call(`${gateway.admin}/metrics`)).text)
  const refused = { backend: '', code: '5xx', outcome: 'refused' }
  assert.ok(page.sum('leastwise_requests_total', refused) > 0)
  const errors = page.sum('leastwise_errors_total', { error: 'LEASTWISE_OVERLOADED' })
  assert.equal(errors, page.sum('leastwise_requests_total', refused))
  gateway.child.kill('SIGUSR1')
  await until(
    () => call(gateway.url),
    ({ status }) => status === 200,
  )
  await gateway.line(({ msg }) => /^not overloaded/.test(String(msg)))
  assert.equal(await gateway.stop(), 0)
})
