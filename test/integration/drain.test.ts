import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { answering, holding, TestBackend } from '../support/backend.js'
import { call, callJson, load } from '../support/client.js'
import { type GatewayProcess, startGateway } from '../support/process.js'
import { RawBackend, RawClient } from '../support/raw.js'

async function started(t: TestContext, backends: { url: string; close(): Promise<void> }[], env = {}) {
  for (const backend of backends) t.after(() => backend.close())
  const named = backends.map(({ url }, i) => `${url};id=b${i}`).join()
  const gateway = await startGateway({ BACKENDS: named, ...env })
  t.after(() => gateway.stop('SIGKILL'))
  return gateway
}

const admin = (gateway: GatewayProcess, method: string, path: string, body?: unknown) =>
  callJson(method, `${gateway.admin}/backends${path}`, body)

const events = (gateway: GatewayProcess, backend: string) =>
  gateway.lines.filter((line) => line.backend === backend && line.event).map(({ event }) => event)

test('each step of a drain is told, and what is in flight finishes', async (t) => {
  const held = await holding()
  const gateway = await started(t, [held, await answering()])
  const requests = [call(gateway.url), call(gateway.url)]
  await held.untilOpen(1)
  const { status, json } = await admin(gateway, 'POST', '/b0/drain')
  assert.deepEqual([status, json.state, json.inFlight, json.total], [202, 'draining', 1, 1])
  await load(gateway.url, { total: 20, concurrency: 3 })
  assert.equal(held.total, 1)
  held.release()
  for (const { status } of await Promise.all(requests)) assert.equal(status, 200)
  await gateway.line(({ event, backend }) => event === 'drained' && backend === 'b0')
  const again = await admin(gateway, 'POST', '/b0/activate')
  assert.deepEqual([again.json.state, again.json.total, again.json.inFlight], ['active', 1, 0])
  await gateway.line(({ event }) => event === 'activated')
  assert.deepEqual(events(gateway, 'b0'), ['draining', 'drained', 'activated'])
})

test('at the deadline streams are cut, and it is told how many', async (t) => {
  const stream = await new TestBackend((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
  }).listen()
  const gateway = await started(t, [stream])
  const client = new RawClient(gateway.url).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until('data: 1')
  await admin(gateway, 'POST', '/b0/drain', { timeout: 100 })
  const text = await client.untilClosed()
  assert.doesNotMatch(text, /\r\n0\r\n\r\n$/, 'no clean end')
  const cut = await gateway.line(({ event }) => event === 'cut')
  assert.deepEqual([cut.backend, cut.requests], ['b0', 1])
  await gateway.line(({ event }) => event === 'drained')
  assert.equal((await admin(gateway, 'GET', '/b0')).json.inFlight, 0)
})

test('activate in the middle takes the deadline back, and a removal, too', async (t) => {
  const held = await holding()
  const stream = await holding()
  t.after(() => stream.close())
  const gateway = await started(t, [held])
  const request = call(gateway.url)
  await held.untilOpen(1)
  for (const [method, path] of [
    ['POST', '/b0/drain'],
    ['DELETE', '/b0?timeout=150'],
  ] as const) {
    assert.equal(
      (await admin(gateway, method, path, method === 'POST' ? { timeout: 150 } : undefined)).status,
      202,
    )
    assert.equal((await admin(gateway, 'POST', '/b0/activate')).status, 200)
  }
  // The deadline of a backend that is drained later comes after theirs would have.
  await admin(gateway, 'POST', '', { url: stream.url, id: 'later' })
  const later = new RawClient(gateway.url).send('POST / HTTP/1.1\r\nHost: a\r\n\r\n')
  await stream.untilOpen(1)
  await admin(gateway, 'POST', '/later/drain', { timeout: 200 })
  await later.until('HTTP/1.1 502')
  later.close()
  assert.equal((await admin(gateway, 'GET', '/b0')).json.inFlight, 1)
  held.release()
  assert.equal((await request).status, 200)
})

test('DELETE waits for what is in flight, and then nothing is left', async (t) => {
  const held = await holding()
  const gateway = await started(t, [held, await answering()])
  const requests = [call(gateway.url), call(gateway.url)]
  await held.untilOpen(1)
  assert.equal((await admin(gateway, 'DELETE', '/b0')).status, 202)
  assert.equal((await admin(gateway, 'GET', '/b0')).status, 200)
  held.release()
  await Promise.all(requests)
  await gateway.line(({ event }) => event === 'removed')
  assert.equal((await admin(gateway, 'GET', '/b0')).status, 404)
  assert.deepEqual(events(gateway, 'b0'), ['draining', 'drained', 'removed'])
})

const HANDSHAKE = 'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
const text = (words: string) => Buffer.concat([Buffer.from([0x81, words.length]), Buffer.from(words)])

/** A WebSocket through a gateway: its client, and the backend's end of it. */
async function webSocket(t: TestContext, env = {}) {
  let far: Socket | undefined
  const backend: RawBackend = await new RawBackend((socket) => {
    far = socket
    backend.release(socket)
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  }).listen()
  const gateway = await started(t, [backend], env)
  const client = new RawClient(gateway.url).send(HANDSHAKE)
  await client.until('\r\n\r\n')
  client.text = ''
  const heard: Buffer[] = []
  ;(far as unknown as Socket).on('data', (chunk: Buffer) => heard.push(chunk))
  return { gateway, client, far: far as unknown as Socket, heard: () => Buffer.concat(heard) }
}

/** The Close frame 1001 towards a client, as latin1. */
const GOING_AWAY = '\x88\x02\x03\xe9'

test('a WebSocket is closed with 1001 on both sides at the deadline of a drain', async (t) => {
  const { gateway, client, far, heard } = await webSocket(t)
  far.write(text('hello'))
  await client.until('hello')
  client.send('\x81\x82\x01\x02\x03\x04\x00\x00')
  while (heard().length < 8) await once(far, 'data')
  client.text = ''
  const ended = once(far, 'end')
  await admin(gateway, 'POST', '/b0/drain', { timeout: 50 })
  assert.equal(await client.untilClosed(), GOING_AWAY)
  await ended
  const frame = heard().subarray(8)
  assert.deepEqual([...frame.subarray(0, 2)], [0x88, 0x82])
  assert.deepEqual(
    [...frame.subarray(6)].map((byte, i) => byte ^ (frame[2 + i] as number)),
    [0x03, 0xe9],
  )
  assert.equal((await admin(gateway, 'GET', '/b0')).json.inFlight, 0)
})

test('in the middle of a frame nothing can be said, and the other direction is told all the same', async (t) => {
  const { gateway, client, far, heard } = await webSocket(t)
  far.write(text('half a message').subarray(0, 6))
  await client.until('half')
  const ended = once(far, 'end')
  await admin(gateway, 'POST', '/b0/drain', { timeout: 50 })
  assert.equal(await client.untilClosed(), '\x81\x0ehalf')
  await ended
  assert.equal(heard().length, 8)
})

test('nothing is added to a Close that was said, nor to another protocol', async (t) => {
  const { gateway, client, far } = await webSocket(t)
  far.write(Buffer.from([0x88, 2, 0x03, 0xe8]))
  await client.until('\x88')
  await admin(gateway, 'POST', '/b0/drain', { timeout: 50 })
  assert.equal(await client.untilClosed(), '\x88\x02\x03\xe8')
  const other: RawBackend = await new RawBackend((socket) => {
    other.release(socket)
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
  }).listen()
  const second = await started(t, [other])
  const echo = new RawClient(second.url).send(HANDSHAKE.replace('websocket', 'echo'))
  await echo.until('\r\n\r\n')
  echo.text = ''
  await admin(second, 'POST', '/b0/drain', { timeout: 50 })
  assert.equal(await echo.untilClosed(), '')
})

test('a client that goes on talking is told, too, and a removal by force and a shutdown say it as well', async (t) => {
  const forced = await webSocket(t)
  const chatter = setInterval(() => forced.client.send('\x81\x82\x01\x02\x03\x04\x00\x00'), 1)
  await admin(forced.gateway, 'DELETE', '/b0?force=true')
  assert.equal(await forced.client.untilClosed(), GOING_AWAY)
  clearInterval(chatter)
  const stopped = await webSocket(t, { SHUTDOWN_TIMEOUT: '100' })
  const code = stopped.gateway.stop()
  assert.equal(await stopped.client.untilClosed(), GOING_AWAY)
  assert.equal(await code, 1)
})
