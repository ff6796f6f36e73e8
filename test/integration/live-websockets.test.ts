import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { callJson } from '../support/client.js'
import { startGateway } from '../support/process.js'
import { noSharedPort } from '../support/shared-port.js'
import { until } from '../support/until.js'

/** What runs in each worker before the gateway: it can be asked which thread has a connection, and be made to fail. */
const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(`
  import { Server } from 'node:http'
  import { isMainThread, threadId } from 'node:worker_threads'
  const { emit } = Server.prototype
  if (!isMainThread) Server.prototype.emit = function (event, request, response) {
    const path = event === 'request' && request.url
    if (path === '/thread') return !!response.end(String(threadId))
    if (path === '/fail') return !!setImmediate(() => { throw new Error('as it was told') })
    return emit.apply(this, arguments)
  }
`)}`

/** A backend of WebSockets that tells each of them its id. */
async function openBackend(id: string) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  server.on('connection', (socket) => socket.send(id))
  await once(server, 'listening')
  return { id, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** A WebSocket, the backend that it reached, and the connection over which it came. */
interface Live {
  socket: WebSocket
  backend: string
  thread: string
}

test('two backends with four live WebSockets over several workers, a third backend joins: the next two go to it; and a worker that ends takes no count along', {
  skip: noSharedPort,
}, async (t) => {
  const backends = await Promise.all(['a', 'b', 'c'].map(openBackend))
  const [a, b, c] = backends as [(typeof backends)[0], (typeof backends)[0], (typeof backends)[0]]
  t.after(() => {
    for (const { server } of backends) server.close()
  })
  const gateway = await startGateway({
    NODE_OPTIONS,
    WORKERS: '3',
    BACKENDS: `${a.url};id=a,${b.url};id=b`,
    SLOW_START: '0',
  })
  t.after(() => gateway.stop('SIGKILL'))

  /** The path's answer, over the one connection of the agent. */
  const ask = (agent: Agent, path: string) =>
    new Promise<string>((resolve, reject) => {
      get(gateway.url + path, { agent }, (response) => resolve(text(response))).once('error', reject)
    })
  /** Opens connections until a thread has one for which this holds: the kernel chooses. */
  async function connect(isWanted: (thread: string) => boolean) {
    for (;;) {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      const thread = await ask(agent, '/thread')
      if (isWanted(thread)) return { agent, thread }
      agent.destroy()
    }
  }
  /** Opens a WebSocket in a worker. */
  async function open(isWanted: (thread: string) => boolean): Promise<Live> {
    const { agent, thread } = await connect(isWanted)
    const socket = new WebSocket(gateway.url.replace('http', 'ws'), { agent })
    const [id] = await once(socket, 'message')
    return { socket, backend: String(id), thread }
  }
  /** The counts of the backends, as the admin API has them, and as the backends count for themselves. */
  async function counts() {
    const { json } = await callJson('GET', `${gateway.admin}/backends`)
    const seen = (json.backends as { inFlight: number; tunnels: number }[]).map(({ inFlight, tunnels }) => {
      assert.equal(inFlight, tunnels)
      return inFlight
    })
    assert.deepEqual(
      seen,
      backends.slice(0, seen.length).map(({ server }) => server.clients.size),
    )
    return seen
  }
  const change = async (method: string, path: string, body?: unknown) => {
    const { status } = await callJson(method, gateway.admin + path, body)
    assert.ok(status >= 200 && status < 300, `${method} ${path}: ${status}`)
  }

  const x = await open(() => true)
  const y = await open((thread) => thread !== x.thread)
  const z = await open((thread) => thread !== x.thread && thread !== y.thread)
  const live = [x, y, z, await open((thread) => thread === x.thread)]
  assert.deepEqual(await counts(), [2, 2])

  await change('POST', '/backends', { url: c.url, id: 'c' })
  for (const { thread } of [y, z]) live.push(await open((one) => one === thread))
  assert.deepEqual(
    live.slice(4).map(({ backend }) => backend),
    ['c', 'c'],
  )

  await change('PATCH', '/backends/a', { weight: 5 })
  await change('PATCH', '/backends/a', { weight: 1 })
  await change('PUT', '/policy', { policy: 'round-robin' })
  await change('PUT', '/policy', { policy: 'least-connections' })
  await change('POST', '/backends/b/drain')
  await change('POST', '/backends/b/activate')
  assert.deepEqual(await counts(), [2, 2, 2])

  // A worker ends with two of them. The others stay, and those that come next fill what it has left.
  const lost = live.filter(({ thread }) => thread === x.thread)
  const closed = Promise.all(lost.map(({ socket }) => once(socket, 'close')))
  const { agent } = await connect((thread) => thread === x.thread)
  await assert.rejects(ask(agent, '/fail'))
  await closed
  await gateway.line(({ event }) => event === 'worker ended')
  const expected = backends.map(
    ({ id }) => live.filter(({ backend, thread }) => backend === id && thread !== x.thread).length,
  )
  await until(
    async () => backends.map(({ server }) => server.clients.size),
    (sizes) => String(sizes) === String(expected),
  )
  assert.deepEqual(await counts(), expected)
  await gateway.line(({ event }) => event === 'worker started')
  const known = new Set(live.map(({ thread }) => thread))
  for (const _ of lost) live.push(await open((thread) => !known.has(thread)))
  assert.deepEqual(await counts(), [2, 2, 2], 'the new worker knows what the others have')

  for (const { socket } of live) socket.close()
  await until(
    async () => (await callJson('GET', `${gateway.admin}/pool`)).json.inFlight,
    (inFlight) => inFlight === 0,
  )
  assert.deepEqual(await counts(), [0, 0, 0])
  assert.equal(await gateway.stop(), 0)
})
