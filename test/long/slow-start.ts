import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { answering, changing, status, type TestBackend } from '../support/backend.js'
import { call, callJson, load } from '../support/client.js'
import { type GatewayProcess, startGateway } from '../support/process.js'

/** Long enough that next to nothing of it passes in a test. */
const LONG = '600000'

async function started(t: TestContext, backends: TestBackend[], env: Record<string, string>) {
  for (const backend of backends) t.after(() => backend.close())
  const named = backends.map(({ url }, i) => `${url};id=b${i}`).join()
  const gateway = await startGateway({ BACKENDS: named, ...env })
  t.after(() => gateway.stop('SIGKILL'))
  return gateway
}

const register = async (gateway: GatewayProcess, { url }: TestBackend, id = 'new') =>
  assert.equal((await callJson('POST', `${gateway.admin}/backends`, { url, id })).status, 201)

for (const policy of ['least-connections', 'round-robin']) {
  test(`${policy}: one that is registered or activated under load is idle, and still gets next to nothing at first`, async (t) => {
    const joined = await answering()
    t.after(() => joined.close())
    const gateway = await started(t, [await answering(10), await answering(10)], {
      POLICY: policy,
      SLOW_START: LONG,
    })
    await register(gateway, joined)
    await load(gateway.url, { total: 400, concurrency: 10 })
    assert.ok(joined.total >= 1 && joined.total <= 4, `${joined.total} of 400`)
    const { json } = await callJson('GET', `${gateway.admin}/backends/new`)
    assert.ok(json.share < 0.1)
    await callJson('POST', `${gateway.admin}/backends/new/drain`)
    await callJson('POST', `${gateway.admin}/backends/new/activate`)
    const before = joined.total
    await load(gateway.url, { total: 400, concurrency: 10 })
    assert.ok(joined.total - before >= 1 && joined.total - before <= 4, `${joined.total - before} of 400`)
  })
}

test('the share grows with the ramp, and after it all is fair', async (t) => {
  const joined = await answering(2)
  t.after(() => joined.close())
  const gateway = await started(t, [await answering(2), await answering(2)], { SLOW_START: '2500' })
  await register(gateway, joined)
  const share = async () => {
    const before = joined.total
    await load(gateway.url, { total: 100, concurrency: 4 })
    return joined.total - before
  }
  const heights: number[] = []
  for (;;) {
    const { json } = await callJson('GET', `${gateway.admin}/backends/new`)
    if (json.share === 1) break
    heights.push(json.share)
    // More than the ramp may have been by the end of it is never given.
    const got = await share()
    const after = (await callJson('GET', `${gateway.admin}/backends/new`)).json.share
    assert.ok(got <= 2 + (after * 100) / 3 + 1, `${got} of 100 at ${after}`)
  }
  assert.ok(heights.length > 2 && heights.every((height, i) => height >= (heights[i - 1] ?? 0)))
  const got = await share()
  assert.ok(got >= 25, `${got} of 100`)
})

test('nobody ramps at the start', async (t) => {
  const backends = [await answering(), await answering(), await answering()]
  const gateway = await started(t, backends, { SLOW_START: LONG })
  for (let i = 0; i < 30; i++) await call(gateway.url)
  assert.deepEqual(
    backends.map(({ total }) => total),
    [10, 10, 10],
  )
})

test('one that checks find well again ramps, too', async (t) => {
  let health = 200
  const sick = await changing((request, response) =>
    status(request.url === '/healthz' ? health : 200)(request, response),
  )
  const gateway = await started(t, [sick, await answering(5), await answering(5)], {
    HEALTH_PATH: '/healthz',
    HEALTH_INTERVAL: '30',
    SLOW_START: LONG,
  })
  const told = (wanted: string) =>
    gateway.line(({ event, backend, health: is }) => event === 'health' && backend === 'b0' && is === wanted)
  await told('healthy')
  health = 500
  await told('unhealthy')
  const known = gateway.lines.length
  health = 200
  await gateway.line(
    (line) => gateway.lines.indexOf(line) >= known && line.backend === 'b0' && line.health === 'healthy',
  )
  const asked = () => sick.seen.filter(({ url }) => url === '/').length
  const before = asked()
  await load(gateway.url, { total: 300, concurrency: 6 })
  assert.ok(asked() - before >= 1 && asked() - before <= 4, `${asked() - before} of 300`)
})

test('one that comes back from ejection ramps, too', async (t) => {
  const sick = await changing(status(500))
  const gateway = await started(t, [sick, await answering(5), await answering(5)], {
    EJECT_CONSECUTIVE: '1',
    EJECT_BASE: '200',
    SLOW_START: LONG,
  })
  while (sick.total === 0) await call(gateway.url)
  sick.become(status(200))
  const stop = new AbortController()
  const under = load(gateway.url, { concurrency: 3, stop: stop.signal })
  await gateway.line(
    ({ event, backend, health }) => event === 'health' && backend === 'b0' && health === 'unknown',
  )
  stop.abort()
  await under
  const before = sick.total
  await load(gateway.url, { total: 300, concurrency: 6 })
  assert.ok(sick.total - before <= 4, `${sick.total - before} of 300`)
})
