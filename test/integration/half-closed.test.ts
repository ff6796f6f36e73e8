import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { openGateway } from '../support/gateway.js'
import { startGateway } from '../support/process.js'
import { RawBackend, RawClient } from '../support/raw.js'

const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n'
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n'

/** A backend that switches, and then does nothing of its own, not even when the other side ends. */
async function stubborn(t: TestContext) {
  const backend = await new RawBackend((socket, _request, own) => {
    own.release(socket)
    socket.write(SWITCH)
    socket.resume()
  }).listen()
  t.after(() => backend.close())
  return backend
}

async function tunnel(t: TestContext, env: Record<string, string>) {
  const backend = await stubborn(t)
  const gateway = await openGateway([backend], env)
  t.after(() => gateway.close())
  const client = new RawClient(gateway.url).send(UPGRADE)
  await client.until('\r\n\r\n')
  client.text = ''
  const [far] = backend.sockets as Set<Socket> & Iterable<Socket>
  return { gateway, client, far: far as Socket }
}

const inFlight = ({ gateway }: Awaited<ReturnType<typeof tunnel>>) => gateway.balancer.registry.inFlight
const pass = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

test('a tunnel whose client is gone ends, whatever the backend does', async (t) => {
  const open = await tunnel(t, { BODY_TIMEOUT: '200' })
  open.client.socket.end()
  await once(open.far, 'end')
  assert.equal(inFlight(open), 1)
  await open.gateway.settled()
  // Whoever goes on with it is told that nobody is there.
  const broken = once(open.far, 'error')
  const timer = setInterval(() => open.far.write('hello?'), 20)
  t.after(() => clearInterval(timer))
  assert.match((await broken)[0].code, /^(ECONNRESET|EPIPE)$/)
  const { total, failed } = open.gateway.backend().leases
  assert.deepEqual([total, failed], [1, 0])
})

test('one whose backend has ended, and whose client does nothing, too', async (t) => {
  const open = await tunnel(t, { BODY_TIMEOUT: '200' })
  open.far.end()
  await once(open.client.socket, 'end')
  await open.gateway.settled()
  await open.client.untilClosed()
})

test('whatever comes puts the end off, in either direction', async (t) => {
  const tryEnd = async (clientEnds: boolean) => {
    const open = await tunnel(t, { BODY_TIMEOUT: '300' })
    const [ended, talking] = clientEnds ? [open.client.socket, open.far] : [open.far, open.client.socket]
    let heard = ''
    ended.on('data', (chunk: Buffer) => {
      heard += chunk
    })
    ended.end()
    for (let i = 0; i < 10; i++) {
      await pass(100)
      talking.write(String(i))
    }
    await open.gateway.settled()
    assert.equal(heard, '0123456789')
  }
  await Promise.all([tryEnd(true), tryEnd(false)])
})

test('what is still to be delivered is delivered, to who reads slowly, too', async (t) => {
  const open = await tunnel(t, { BODY_TIMEOUT: '400' })
  const { socket } = open.client
  const size = 12 * 1024 * 1024
  socket.removeAllListeners('data')
  let received = 0
  socket.pause()
  socket.end()
  await once(open.far, 'end')
  open.far.end(Buffer.alloc(size, 'x'))
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
    socket.pause()
    setTimeout(() => socket.resume(), 2)
  })
  socket.resume()
  await once(socket, 'close')
  assert.equal(received, size)
  await open.gateway.settled()
})

test('with BODY_TIMEOUT=0 it may be silent for as long as it likes', async (t) => {
  const open = await tunnel(t, { BODY_TIMEOUT: '0' })
  open.client.socket.end()
  await once(open.far, 'end')
  await pass(1500)
  open.far.write('late')
  await open.client.until('late')
  assert.equal(inFlight(open), 1)
  open.far.end()
  await open.gateway.settled()
})

test('one with both halves open is not cut, however long it is silent', async (t) => {
  const open = await tunnel(t, { BODY_TIMEOUT: '100' })
  await pass(1200)
  open.far.write('late')
  await open.client.until('late')
  open.client.close()
})

for (const timeout of ['60000', '0']) {
  test(`a shutdown does not wait for it, BODY_TIMEOUT=${timeout}`, async (t) => {
    const backend = await stubborn(t)
    const process = await startGateway({
      BACKENDS: backend.url,
      BODY_TIMEOUT: timeout,
      SHUTDOWN_TIMEOUT: '60000',
    })
    const client = new RawClient(process.url).send(UPGRADE)
    await client.until('\r\n\r\n')
    client.socket.end()
    const [far] = backend.sockets
    await once(far as Socket, 'end')
    assert.equal(await process.stop(), 0, 'nothing was cut')
  })
}

test('one whose backend reads nothing ends, though the end of its client is behind what nobody reads', async (t) => {
  const open = await tunnel(t, { BODY_TIMEOUT: '300' })
  open.far.pause()
  open.client.socket.end(Buffer.alloc(24 * 1024 * 1024, 'x'))
  await open.gateway.settled()
  const { total, failed } = open.gateway.backend().leases
  assert.deepEqual([total, failed], [1, 0])
})

test('one that was not read for a while, and is again, may be silent', async (t) => {
  const open = await tunnel(t, { BODY_TIMEOUT: '1500' })
  const size = 24 * 1024 * 1024
  let received = 0
  open.far.pause()
  open.far.on('data', (chunk: Buffer) => {
    received += chunk.length
    if (received === size) open.far.emit('whole')
  })
  open.far.pause()
  open.client.socket.write(Buffer.alloc(size, 'x'))
  await pass(200)
  open.far.resume()
  await once(open.far, 'whole')
  await pass(2600)
  open.far.write('late')
  await open.client.until('late')
  assert.equal(inFlight(open), 1)
  open.client.close()
})
