import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { answering, changing, type Handler, holding, TestBackend } from '../support/backend.js'
import { call, load } from '../support/client.js'
import { type Gateway, noPassiveHealth, openGateway } from '../support/gateway.js'
import { startGateway } from '../support/process.js'

/** With round robin, and a backend's neighbour as the second one, it is known who is asked first. */
async function opened(t: TestContext, backends: TestBackend[], env: Record<string, string> = {}) {
  for (const backend of backends) t.after(() => backend.close())
  const gateway = await openGateway(backends, {
    ...noPassiveHealth,
    POLICY: 'round-robin',
    HEDGE: '20',
    HEDGE_BUDGET: '100',
    ...env,
  })
  t.after(() => gateway.close())
  return gateway
}

/** [total, failed] of each backend. */
const counts = ({ balancer }: Gateway) =>
  balancer.registry.list().map(({ leases }) => [leases.total, leases.failed])

const never: Handler = (request) => void request.resume()

for (const method of ['GET', 'HEAD'] as const) {
  test(`a ${method} that takes too long is sent to a second backend; the first to answer wins, the other is cancelled`, async (t) => {
    const slow = await holding()
    const fast = await holding()
    const gateway = await opened(t, [slow, fast], { QUEUE_LIMIT: '0' })
    const reply = call(gateway.url, { method })
    // Whoever was asked first is as slow as the other: both work on it, and both leases say so.
    await Promise.all([slow.untilOpen(1), fast.untilOpen(1)])
    assert.deepEqual([gateway.backend(0).inFlight, gateway.backend(1).inFlight], [1, 1])
    fast.release()
    assert.deepEqual([(await reply).status, (await reply).text], [200, method === 'GET' ? 'held' : ''])
    await slow.untilOpen(0)
    await gateway.settled()
    assert.deepEqual(counts(gateway), [
      [1, 0],
      [1, 0],
    ])
    assert.deepEqual([slow.total, fast.total], [1, 1])
  })
}

test('the first one wins where it answers first, and the second is cancelled', async (t) => {
  const both = [await holding(), await holding()] as const
  const gateway = await opened(t, [...both])
  const reply = call(gateway.url)
  await Promise.race(both.map((backend) => backend.untilOpen(1)))
  const [first, second] = both[0].open === 1 ? both : [both[1], both[0]]
  await second.untilOpen(1)
  first.release()
  assert.equal((await reply).text, 'held')
  await second.untilOpen(0)
  await gateway.settled()
})

test('what is answered in time is sent once', async (t) => {
  const backends = [await answering(), await answering()]
  const gateway = await opened(t, backends, { HEDGE: '5000' })
  await load(gateway.url, { total: 200, concurrency: 8 })
  assert.equal((backends[0]?.total ?? 0) + (backends[1]?.total ?? 0), 200)
})

test('a response that has begun is not hurried, however long it goes on', async (t) => {
  const [one, other] = [0, 1].map(() =>
    new TestBackend((_request, response) => {
      response.write('begun ')
      setTimeout(() => response.end('and done'), 700)
    }).listen(),
  ) as [Promise<TestBackend>, Promise<TestBackend>]
  const gateway = await opened(t, [await one, await other], { HEDGE: '500' })
  assert.equal((await call(gateway.url)).text, 'begun and done')
  assert.equal((await one).total + (await other).total, 1)
})

test('nothing else is sent twice: POST, bodies, upgrades, other methods', async (t) => {
  const backends = [await answering(60), await answering(60)]
  const gateway = await opened(t, backends)
  await call(gateway.url, { method: 'POST', body: 'x' })
  await call(gateway.url, { method: 'POST' })
  await call(gateway.url, { method: 'GET', body: 'x' })
  await call(gateway.url, { method: 'PUT', body: 'x' })
  await call(gateway.url, { method: 'DELETE' })
  await call(gateway.url, { method: 'OPTIONS' })
  assert.equal((backends[0]?.total ?? 0) + (backends[1]?.total ?? 0), 6)
})

test('a large response of the winner is whole, and what comes of the loser is not in it', async (t) => {
  const body = Buffer.alloc(4 * 1024 * 1024, 'w')
  const winner = await new TestBackend((_request, response) => response.end(body)).listen()
  const loser = await new TestBackend((_request, response) => {
    setTimeout(() => response.end('loser'), 25)
  }).listen()
  const gateway = await opened(t, [loser, winner], { HEDGE: '10' })
  for (let i = 0; i < 20; i++) {
    const { text } = await call(gateway.url)
    assert.ok(text === 'loser' || text.length === body.length, text.slice(0, 20))
  }
  await gateway.settled()
  assert.ok(winner.total >= 10)
})

test('no more than the budget of all requests', async (t) => {
  const backends = [await answering(30), await answering(30)]
  const gateway = await opened(t, backends, { HEDGE: '1', HEDGE_BUDGET: '5' })
  await load(gateway.url, { total: 400, concurrency: 20 })
  const extra = (backends[0]?.total ?? 0) + (backends[1]?.total ?? 0) - 400
  assert.ok(extra >= 1 && extra <= 20, `${extra} more than 400`)
})

test('a client that leaves leaves both', async (t) => {
  const backends = [await holding(), await holding()] as const
  const gateway = await opened(t, [...backends])
  const gone = new AbortController()
  const reply = call(gateway.url, { signal: gone.signal }).catch(() => 'gone')
  await Promise.all(backends.map((backend) => backend.untilOpen(1)))
  gone.abort()
  assert.equal(await reply, 'gone')
  await Promise.all(backends.map((backend) => backend.untilOpen(0)))
  await gateway.settled()
  assert.deepEqual(counts(gateway), [
    [1, 0],
    [1, 0],
  ])
})

test('one that fails leaves it to the other', async (t) => {
  const broken = await changing(never)
  const well = await holding()
  const gateway = await opened(t, [broken, well], { RETRIES: '0' })
  for (let i = 0; i < 4; i++) {
    const reply = call(gateway.url)
    await Promise.all([broken.untilOpen(1), well.untilOpen(1)])
    for (const socket of broken.sockets) socket.resetAndDestroy()
    await broken.untilOpen(0)
    well.release()
    assert.equal((await reply).text, 'held')
  }
  await gateway.settled()
})

test('where both fail the client is told, or a third is asked', async (t) => {
  const broken = [await changing(never), await changing(never)] as const
  const gateway = await opened(t, [...broken], { RETRIES: '1' })
  const reply = call(gateway.url)
  await Promise.all(broken.map((backend) => backend.untilOpen(1)))
  for (const backend of broken) for (const socket of backend.sockets) socket.resetAndDestroy()
  assert.equal((await reply).status, 502)
  await gateway.settled()
  const third = await answering()
  t.after(() => third.close())
  const again = call(gateway.url)
  await Promise.all(broken.map((backend) => backend.untilOpen(1)))
  gateway.balancer.registry.add({ url: third.url })
  for (const backend of broken) for (const socket of backend.sockets) socket.resetAndDestroy()
  assert.equal((await again).text, 'ok')
  await gateway.settled()
})

test('a backend that is removed while two are at it leaves it to the other', async (t) => {
  const backends = [await holding(), await holding()] as const
  const gateway = await opened(t, [...backends])
  const reply = call(gateway.url)
  await Promise.all(backends.map((backend) => backend.untilOpen(1)))
  gateway.balancer.registry.remove(gateway.backend(0).id, { force: true })
  await backends[0].untilOpen(0)
  backends[1].release()
  assert.equal((await reply).text, 'held')
  await gateway.settled()
})

test('nobody is asked who is full, sick or wanted by those who wait', async (t) => {
  const [one, other] = [await holding(), await holding()]
  const gateway = await opened(t, [one, other], { MAX_CONNECTIONS: '1' })
  const two = [call(gateway.url), call(gateway.url)]
  await Promise.all([one.untilOpen(1), other.untilOpen(1)])
  // Both full: long past its time neither is sent a second one.
  await sleep(60)
  const three = call(gateway.url)
  while (gateway.balancer.view().queue.length === 0) await setImmediate()
  one.release()
  await once(one.server, 'arrived')
  one.release()
  other.release()
  const replies = await Promise.all([...two, three])
  for (const { text } of replies) assert.equal(text, 'held')
  assert.equal(one.total + other.total, 3)
  gateway.balancer.registry.setHealth(gateway.backend(1).id, 'unhealthy')
  const alone = call(gateway.url)
  await one.untilOpen(1)
  await sleep(60)
  one.release()
  assert.equal((await alone).text, 'held')
  assert.equal(one.total + other.total, 4)
})

test('p95: a second backend is asked once it takes longer than most of the latest', async (t) => {
  const fast: Handler = (_request, response) => response.end('ok')
  const backends = [await changing(fast), await changing(fast)]
  const gateway = await opened(t, backends, { HEDGE: 'p95' })
  await load(gateway.url, { total: 100, concurrency: 4 })
  const { delay } = gateway.balancer.hedging
  assert.ok(delay !== undefined && delay >= 1 && delay < 1000, `${delay}`)
  backends[0]?.become(never)
  for (let i = 0; i < 4; i++) assert.equal((await call(gateway.url)).text, 'ok')
  await gateway.settled()
})

test('the log line has the backend that answered, and both attempts', async (t) => {
  const [stalled, well] = [await changing(never), await answering()]
  t.after(() => stalled.close())
  t.after(() => well.close())
  const gateway = await startGateway({
    BACKENDS: `${stalled.url};id=stalled,${well.url};id=well`,
    POLICY: 'round-robin',
    HEDGE: '20',
    HEDGE_BUDGET: '100',
  })
  t.after(() => gateway.stop())
  // One of two in turn is the one that stalls.
  for (let i = 0; i < 2; i++) assert.equal((await call(gateway.url)).status, 200)
  const line = await gateway.line(({ attempts }) => attempts === 2)
  assert.deepEqual([line.msg, line.backend, line.statusCode], ['request', 'well', 200])
})

test('who leaves while waiting for another try is waited for no longer', async (t) => {
  const [broken, full] = [await changing(never), await holding()]
  const gateway = await opened(t, [broken, full], { HEDGE: '5000' })
  const { registry, hedging } = gateway.balancer
  registry.update(gateway.backend(1).id, { maxConnections: 1 })
  const [one, other] = [call(gateway.url), call(gateway.url)]
  await Promise.all([broken.untilOpen(1), full.untilOpen(1)])
  const gone = new AbortController()
  // Whoever is on the broken one fails, and waits for the other.
  for (const socket of broken.sockets) socket.resetAndDestroy()
  while (gateway.balancer.view().queue.length === 0) await setImmediate()
  const late = call(gateway.url, { signal: gone.signal }).catch(() => 'gone')
  await broken.untilOpen(1)
  for (const socket of broken.sockets) socket.resetAndDestroy()
  while (gateway.balancer.view().queue.length < 2) await setImmediate()
  gone.abort()
  assert.equal(await late, 'gone')
  while (gateway.balancer.view().queue.length > 1) await setImmediate()
  assert.equal(hedging.waiting, 1)
  full.release()
  await once(full.server, 'arrived')
  full.release()
  for (const { text } of await Promise.all([one, other])) assert.equal(text, 'held')
  assert.equal(hedging.waiting, 0)
})

test('RETRY_STATUS: a response that it names gives way to a second backend that is at it, and not without RETRIES', async (t) => {
  const failing: Handler = (_request, response) => {
    setTimeout(() => response.writeHead(503).end('sorry'), 40)
  }
  const slow: Handler = (_request, response) => {
    setTimeout(() => response.end('slow'), 120)
  }
  for (const [retries, texts] of [
    ['1', ['slow']],
    ['0', ['slow', 'sorry']],
  ] as const) {
    const backends = [await changing(failing), await changing(slow)]
    const gateway = await opened(t, backends, { RETRY_STATUS: '503', RETRIES: retries, HEDGE: '10' })
    const seen = new Set<string>()
    for (let i = 0; i < 4; i++) seen.add((await call(gateway.url)).text)
    assert.ok(
      [...seen].every((text) => (texts as readonly string[]).includes(text)),
      [...seen].join(),
    )
    await gateway.settled()
  }
})
