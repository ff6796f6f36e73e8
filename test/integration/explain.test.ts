import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Decision } from '../../src/balancer/explain/decision.js'
import type { ExplainedBackend, Explanation } from '../../src/balancer/explain/explanation.js'
import { changing, type Handler, holding, status, type TestBackend } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { noPassiveHealth, openGateway } from '../support/gateway.js'
import { startGateway } from '../support/process.js'
import { until } from '../support/until.js'

const reset: Handler = (request) => request.socket.resetAndDestroy()

async function actors(t: TestContext, ids: string[]) {
  const all = new Map<string, Awaited<ReturnType<typeof changing>>>()
  for (const id of ids) {
    const backend = await changing(status(200))
    t.after(() => backend.close())
    all.set(id, backend)
  }
  return (id: string) => all.get(id) as TestBackend & { become(handler: Handler): void }
}

test('why each backend is chosen or not, and who was: ejected, draining, full, in slow start, again, in turn', async (t) => {
  const backend = await actors(t, ['sick', 'leaving', 'busy', 'open', 'new'])
  backend('sick').become(reset)
  const gateway = await startGateway({
    BACKENDS: ['sick', 'leaving', 'busy', 'open'].map((id) => `${backend(id).url};id=${id}`).join(),
    POLICY: 'round-robin',
    EJECT_CONSECUTIVE: '1',
    EJECT_BASE: '300000',
    SLOW_START: '3600000',
    FAILURE_DECAY: '0',
    QUEUE_TIMEOUT: '100000',
  })
  t.after(() => gateway.stop('SIGKILL'))
  const admin = async (method: string, path: string, body?: unknown) => {
    const reply = await callJson(method, gateway.admin + path, body)
    assert.ok(reply.status < 300, reply.text)
    return reply.json
  }
  const explain = async (body: object = {}) => {
    const explanation: Explanation = await admin('POST', '/explain', body)
    const one = (id: string) => explanation.backends.find((found) => found.id === id) as ExplainedBackend
    return { ...explanation, one }
  }
  const decisions = async (query: string): Promise<Decision[]> =>
    (await admin('GET', `/decisions?${query}`)).decisions
  const length = async (wanted: number) => {
    await until(
      () => admin('GET', '/pool'),
      ({ queue }) => queue.length === wanted,
    )
  }

  // Each has its turn; who resets the connection is ejected, and the request goes to another.
  for (let i = 0; i < 4; i++) assert.equal((await call(gateway.url)).status, 200)
  const again = await gateway.line(({ attempts }) => attempts === 2)
  const tries = await decisions(`request=${again.reqId}`)
  assert.deepEqual(
    tries.map(({ kind, backend, inFlight, policy }) => [kind, backend, inFlight, policy]),
    [
      ['retry', again.backend, 1, 'round-robin'],
      ['choice', 'sick', 1, 'round-robin'],
    ],
  )
  assert.deepEqual([tries[1]?.eligible, tries[0]?.eligible], [4, 3])
  assert.equal((await decisions('')).length, 5)
  assert.equal((await decisions('limit=2')).length, 2)
  assert.deepEqual((await decisions('backend=sick&limit=1'))[0], tries[1])

  await admin('POST', '/backends/leaving/drain')
  const late: (() => void)[] = []
  const hold: Handler = (request, response) => {
    request.resume()
    late.push(() => response.end('late'))
  }
  await admin('PATCH', '/backends/busy', { maxConnections: 1 })
  backend('busy').become(hold)
  const held = [call(gateway.url), call(gateway.url)]
  await backend('busy').untilOpen(1)
  await Promise.race(held)
  // The first request of a backend that is new comes at once; the next has to be earned.
  await admin('POST', '/backends', { url: backend('new').url, id: 'new', maxConnections: 1 })
  for (let i = 0; i < 2; i++) await call(gateway.url)
  assert.equal(backend('new').total, 1)

  const now = await explain()
  assert.deepEqual([now.backend, now.outcome, now.error, now.panic], ['open', 'choice', null, false])
  assert.match(now.why, /^open: /)
  assert.deepEqual(
    now.backends.map(({ id, eligible, available, probability }) => [id, eligible, available, probability]),
    [
      ['open', true, true, 1],
      ...now.backends.slice(1, 3).map(({ id }) => [id, true, false, 0]),
      ...now.backends.slice(3).map(({ id }) => [id, false, false, 0]),
    ],
  )
  assert.match(now.one('sick').reason, /^ejected until \d{4}-/)
  assert.match(now.one('leaving').reason, /^draining/)
  assert.match(now.one('busy').reason, /^full: 1 of 1$/)
  assert.match(now.one('new').reason, /^rests: may have 0(\.\d)? % of its share in slow start/)
  assert.match(now.one('open').reason, /^next: its turn/)
  const total = backend('open').total
  assert.equal((await call(gateway.url)).status, 200)
  assert.equal(backend('open').total, total + 1, 'what was said is what happens')

  const without = await explain({ except: ['open'] })
  assert.equal(without.one('open').reason, 'excluded by the request')
  assert.deepEqual([without.backend, without.outcome], ['new', 'choice'])
  assert.match(without.why, /all that need no rest are full/)

  // Then all are full.
  await admin('PATCH', '/backends/open', { maxConnections: 1 })
  for (const id of ['open', 'new']) {
    backend(id).become(hold)
    held.push(call(gateway.url))
    await backend(id).untilOpen(1)
  }
  const full = await explain()
  assert.deepEqual([full.backend, full.outcome, full.queue.length], [null, 'queue', 0])
  const waiting = call(gateway.url)
  await length(1)
  assert.match((await explain()).why, /behind 1 /)
  for (const id of ['busy', 'open', 'new']) backend(id).become(status(200))
  for (const answer of late) answer()
  await Promise.all(held)
  await length(0)
  const [turn] = (await decisions('limit=1')) as [Decision]
  assert.deepEqual([turn.kind, turn.waited > 0], ['queue', true])
  assert.equal((await waiting).status, 200)
  assert.ok(await gateway.line(({ reqId, queueTime }) => reqId === turn.request && Number(queueTime) > 0))

  // And then nobody is left.
  for (const id of ['open', 'new', 'busy', 'sick']) await admin('POST', `/backends/${id}/drain`)
  const none = await explain()
  const refused = await callJson('GET', gateway.url)
  assert.deepEqual([none.backend, none.outcome], [null, 'refused'])
  const { statusCode, code, message } = refused.json
  assert.deepEqual(none.error, { statusCode, code, message })
})

test('a second try is among the decisions, with the id of its request', async (t) => {
  const slow = await holding()
  const fast = await holding()
  for (const backend of [slow, fast]) t.after(() => backend.close())
  const gateway = await openGateway([slow, fast], { ...noPassiveHealth, HEDGE: '20', HEDGE_BUDGET: '100' })
  t.after(() => gateway.close())
  const reply = call(gateway.url)
  await Promise.all([slow.untilOpen(1), fast.untilOpen(1)])
  fast.release()
  slow.release()
  await reply
  const [second, first] = gateway.balancer.decisions()
  assert.deepEqual([first?.kind, second?.kind], ['choice', 'hedge'])
  assert.equal(first?.request, second?.request)
  assert.ok(first?.request)
  assert.notEqual(first?.backend, second?.backend)
})
