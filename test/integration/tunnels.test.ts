import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { TestBackend } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { startGateway } from '../support/process.js'
import { RawClient } from '../support/raw.js'

const UPGRADE =
  'GET /chat HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

/** Answers requests, and switches to a protocol in which it says back what it is told. */
async function chatty() {
  const tunnels = new Set<Socket>()
  const backend = await new TestBackend((_request, response) => response.end('ok')).listen()
  backend.server.on('upgrade', (_request, socket: Socket) => {
    tunnels.add(socket)
    socket.on('error', () => {}).once('close', () => tunnels.delete(socket))
    socket.write(SWITCH)
    socket.pipe(socket)
  })
  const close = async () => {
    for (const socket of tunnels) socket.destroy()
    await backend.close()
  }
  return { backend, tunnels, close }
}

test('140 quiet WebSockets on two backends: plain requests are spread evenly when a third one joins', async (t) => {
  const all = await Promise.all([chatty(), chatty(), chatty()])
  for (const { close } of all) t.after(close)
  const [a, b, c] = all.map(({ backend }) => backend) as [TestBackend, TestBackend, TestBackend]
  const gateway = await startGateway({ BACKENDS: `${a.url};id=a,${b.url};id=b`, SLOW_START: '0' })
  t.after(() => gateway.stop('SIGKILL'))
  const clients: RawClient[] = []
  for (let i = 0; i < 140; i++) {
    const client = new RawClient(gateway.url).send(UPGRADE)
    clients.push(client)
    await client.until('\r\n\r\n')
  }
  t.after(() => {
    for (const client of clients) client.close()
  })
  assert.deepEqual(
    all.map(({ tunnels }) => tunnels.size),
    [70, 70, 0],
  )
  assert.equal((await callJson('POST', `${gateway.admin}/backends`, { url: c.url, id: 'c' })).status, 201)
  for (let i = 0; i < 151; i++) await call(gateway.url)
  for (const { total } of [a, b, c]) assert.ok(total >= 45 && total <= 56, `${total} of 151`)

  const view = async (id: string) => (await callJson('GET', `${gateway.admin}/backends/${id}`)).json
  const { inFlight, tunnels } = await view('a')
  assert.deepEqual([inFlight, tunnels], [70, 70], 'the counts are exact')
  const { json: explained } = await callJson('POST', `${gateway.admin}/explain`, {})
  const loads = explained.backends.map(({ load }: { load: number }) => load)
  assert.deepEqual(loads, [0, 0, 0])
  const { text: metrics } = await call(`${gateway.admin}/metrics`)
  assert.match(metrics, /^leastwise_backend_tunnels\{.*backend="b".*\} 70$/m)
  assert.match(metrics, /^leastwise_backend_in_flight\{.*backend="b".*\} 70$/m)

  // Each of them is a request while something passes.
  for (const client of clients) client.send('hello')
  await Promise.all(clients.map((client) => client.until('hello')))
  const { json: busy } = await callJson('POST', `${gateway.admin}/explain`, {})
  const busiest = Math.max(...busy.backends.map(({ load }: { load: number }) => load))
  assert.equal(busiest, 70)
  assert.equal(busy.backend, 'c')

  const gone = [...all[0].tunnels].map((socket) => once(socket, 'close'))
  for (const client of clients) client.close()
  await Promise.all(gone)
  while ((await view('a')).inFlight > 0);
  assert.equal((await view('a')).tunnels, 0)
})
