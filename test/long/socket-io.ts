import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Server } from 'socket.io'
import { io, type Socket } from 'socket.io-client'
import { openGateway } from '../support/gateway.js'
import { startGateway } from '../support/process.js'

/** Servers of Socket.IO as they are without options, which say which of them a client has reached. */
async function openServers(t: TestContext): Promise<string[]> {
  return Promise.all(
    ['b0', 'b1', 'b2'].map(async (id) => {
      const http = createServer()
      const server = new Server(http)
      server.on('connection', (socket) => socket.on('who', (answer: (id: string) => void) => answer(id)))
      http.listen(0, '127.0.0.1')
      await once(http, 'listening')
      t.after(() => server.close())
      return `http://127.0.0.1:${(http.address() as AddressInfo).port};id=${id}`
    }),
  )
}

/** A client that is connected. */
interface Connected {
  client: Socket
  /** The backend that it has reached. */
  id: string
}

/**
 * Connects a client with its defaults: it begins with polling, and goes on with a WebSocket. Resolves once it has one and
 * was answered over it.
 * @throws the error of a connection that failed or was lost
 */
async function connectClient(t: TestContext, url: string, withCredentials: boolean): Promise<Connected> {
  const client: Socket = io(url, { forceNew: true, reconnection: false, withCredentials })
  t.after(() => client.disconnect())
  const { engine } = client.io
  const lost = new Promise<never>((_, reject) => {
    client.on('connect_error', reject)
    client.on('disconnect', (reason) => reject(new Error(reason)))
    engine.on('upgradeError', reject)
  })
  await Promise.race([new Promise<void>((resolve) => client.once('connect', resolve)), lost])
  if (engine.transport.name !== 'websocket')
    await Promise.race([new Promise((resolve) => engine.once('upgrade', resolve)), lost])
  const id = await Promise.race([client.emitWithAck('who') as Promise<string>, lost])
  return { client, id }
}

async function connectAll(
  t: TestContext,
  url: string,
  { count = 20, atOnce = true, withCredentials = false } = {},
): Promise<PromiseSettledResult<Connected>[]> {
  if (atOnce)
    return Promise.allSettled(Array.from({ length: count }, () => connectClient(t, url, withCredentials)))
  const results: PromiseSettledResult<Connected>[] = []
  for (let i = 0; i < count; i++)
    results.push(...(await Promise.allSettled([connectClient(t, url, withCredentials)])))
  return results
}

/** Checks that all clients are still connected by a WebSocket, and returns the backends that they have reached. */
async function reached(results: PromiseSettledResult<Connected>[]): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (const result of results) {
    assert.equal(result.status, 'fulfilled', String((result as PromiseRejectedResult).reason))
    const { client, id } = (result as PromiseFulfilledResult<Connected>).value
    assert.equal(client.io.engine.transport.name, 'websocket')
    assert.equal(await client.timeout(30_000).emitWithAck('who'), id)
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  return counts
}

test('Socket.IO over three backends needs affinity', async (t) => {
  const gateway = await openGateway(await openServers(t))
  t.after(() => gateway.close())
  const results = await connectAll(t, gateway.url, { count: 6, atOnce: false })
  assert.ok(results.some(({ status }) => status === 'rejected'))
})

for (const atOnce of [false, true]) {
  const how = atOnce ? 'at once' : 'one after the other'

  test(`Socket.IO with affinity by address: 20 of 20 clients connect ${how}`, async (t) => {
    const gateway = await openGateway(await openServers(t), { AFFINITY: 'ip' })
    t.after(() => gateway.close())
    const counts = await reached(await connectAll(t, gateway.url, { atOnce }))
    assert.equal(counts.size, 1, 'they have one address')
  })

  test(`Socket.IO with affinity by cookie: 20 of 20 clients connect ${how}, over all backends`, async (t) => {
    const gateway = await openGateway(await openServers(t), { AFFINITY: 'cookie' })
    t.after(() => gateway.close())
    const counts = await reached(await connectAll(t, gateway.url, { atOnce, withCredentials: true }))
    assert.deepEqual([...counts.keys()].sort(), ['b0', 'b1', 'b2'])
  })
}

test('Socket.IO through a gateway of its own process, by address', async (t) => {
  const gateway = await startGateway({ BACKENDS: (await openServers(t)).join(), AFFINITY: 'ip' })
  t.after(() => gateway.stop('SIGKILL'))
  await reached(await connectAll(t, gateway.url))
})
