import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import Fastify from 'fastify'
import leastwise from '../../src/index.js'
import { answering, deadUrl, holding } from '../support/backend.js'
import { call } from '../support/client.js'
import { type Gateway, openGateway } from '../support/gateway.js'
import { RawBackend, RawClient, type Script } from '../support/raw.js'

/** A gateway before one backend that does as it is told and a good one; a single failure ejects. */
async function before(t: TestContext, script: Script, env: Record<string, string> = {}) {
  const odd = await new RawBackend(script).listen()
  const good = await answering()
  // All but everything goes to the odd one.
  const gateway = await openGateway([`${odd.url};weight=1000`, good], {
    EJECT_CONSECUTIVE: '1',
    RETRIES: '0',
    ...env,
  })
  t.after(async () => {
    await gateway.close()
    await Promise.all([odd.close(), good.close()])
  })
  return { odd, gateway }
}

/** A client that has sent `text`, of which the odd backend has heard. */
async function untilHeard({ odd, gateway }: { odd: RawBackend; gateway: Gateway }, text: string) {
  const client = new RawClient(gateway.url).send(text)
  await odd.until(({ heardOn }) => heardOn !== undefined)
  return client
}

const standing = (gateway: Gateway) => {
  const { health, share, failed } = gateway.backend().view()
  return { health, failed, penalty: share < 1 }
}
const doubtful = { health: 'unknown', failed: 0, penalty: true }
const blamed = { health: 'ejected', failed: 1, penalty: true }

const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'
const post = (length: number, body: string) =>
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${body}`

test('one that does not know a protocol and hangs up is not ejected for it', async (t) => {
  const pool = await before(t, (socket) => socket.destroy())
  await untilHeard(pool, UPGRADE)
  await pool.gateway.settled()
  assert.deepEqual(standing(pool.gateway), doubtful)
})

test('what is no HTTP is nobody else to blame for', async (t) => {
  const pool = await before(t, (socket) => socket.end('what?\r\n\r\n'))
  await untilHeard(pool, UPGRADE)
  await pool.gateway.settled()
  assert.deepEqual(standing(pool.gateway), blamed)
})

test('one that loses its patience with an upload that stalls is not ejected, one that resets at once is', async (t) => {
  const patient = await before(t, () => {})
  const stalled = await untilHeard(patient, post(100, 'half'))
  await patient.odd.until(({ unfinished }) => unfinished.endsWith('half'))
  await new Promise((resolve) => setTimeout(resolve, 300))
  patient.odd.heardOn?.resetAndDestroy()
  await stalled.until('502')
  assert.deepEqual(standing(patient.gateway), doubtful)
  const hasty = await before(t, (socket) => socket.resetAndDestroy())
  await untilHeard(hasty, post(4, 'body'))
  await hasty.gateway.settled()
  assert.deepEqual(standing(hasty.gateway), blamed)
})

test('one that finds an upload too large is not ejected', async (t) => {
  const pool = await before(t, () => {})
  const client = await untilHeard(pool, post(1_000_000, 'x'.repeat(200_000)))
  await pool.odd.until(({ unfinished }) => unfinished.length >= 200_000)
  pool.odd.heardOn?.resetAndDestroy()
  await client.until('502')
  assert.deepEqual(standing(pool.gateway), doubtful)
})

test('one that loses its patience with a client that does not read is not ejected', async (t) => {
  const size = 30_000_000
  const pool = await before(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
    socket.write(Buffer.alloc(size - 1))
  })
  const client = await untilHeard(pool, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  client.socket.pause()
  await new Promise((resolve) => setTimeout(resolve, 500))
  pool.odd.heardOn?.resetAndDestroy()
  client.socket.resume()
  await client.untilClosed()
  await pool.gateway.settled()
  assert.deepEqual(standing(pool.gateway), doubtful)
})

test('a client that leaves while its second try waits leaves the queue', async (t) => {
  const held = await holding()
  const gateway = await openGateway([held.url, deadUrl()], {
    MAX_CONNECTIONS: '1',
    QUEUE_TIMEOUT: '600000',
    EJECT_MAX_PERCENT: '0',
    FAILURE_DECAY: '0',
  })
  t.after(async () => {
    await gateway.close()
    await held.close()
  })
  const first = call(gateway.url)
  await held.untilOpen(1)
  const client = new RawClient(gateway.url).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const waiting = () => gateway.balancer.view().queue.length
  while (waiting() === 0) await new Promise(setImmediate)
  client.reset()
  while (waiting() > 0) await new Promise(setImmediate)
  held.release()
  assert.equal((await first).status, 200)
  assert.equal(held.total, 1)
})

test('a backend that is removed before anything was sent costs no client a response', async (t) => {
  const backends = [await answering(), await answering()]
  const app = Fastify({ forceCloseConnections: true })
  t.after(async () => {
    await app.close()
    for (const backend of backends) await backend.close()
  })
  let go = () => {}
  app.addHook('preHandler', async () => {
    await new Promise<void>((resolve) => {
      go = resolve
    })
  })
  await app.register(leastwise, { backends: backends.map(({ url }) => url), retries: 0 })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  for (const method of ['GET', 'POST'] as const) {
    const { registry } = app.balancer
    const answer = call(url, { method })
    while (registry.inFlight === 0) await new Promise(setImmediate)
    const chosen = registry.list().find(({ inFlight }) => inFlight > 0)
    assert.ok(chosen)
    registry.remove(chosen.id, { force: true })
    registry.add({ url: chosen.url })
    go()
    assert.equal((await answer).status, 200)
  }
  // One that left is not sent anywhere.
  const before = backends.reduce((sum, { total }) => sum + total, 0)
  const client = new RawClient(url).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  while (app.balancer.registry.inFlight === 0) await new Promise(setImmediate)
  client.reset()
  await once(client.socket, 'close')
  while (app.balancer.registry.inFlight > 0) await new Promise(setImmediate)
  go()
  const last = call(url)
  while (app.balancer.registry.inFlight === 0) await new Promise(setImmediate)
  go()
  assert.equal((await last).status, 200)
  assert.equal(
    backends.reduce((sum, { total }) => sum + total, 0),
    before + 1,
  )
})
