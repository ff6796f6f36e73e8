import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { Balancer } from '../../../src/balancer/balancer.js'
import { ClientGoneError } from '../../../src/balancer/errors.js'
import { ProxyContext } from '../../../src/proxy/context.js'
import type { Downstream } from '../../../src/proxy/downstream-port.js'
import { WholeBody } from '../../../src/proxy/http/response.js'
import { LeaseDispatcher } from '../../../src/proxy/upstream/dispatcher.js'
import { NameLookup } from '../../../src/proxy/upstream/dns/name-lookup.js'
import type { Forwarding } from '../../../src/proxy/upstream/forwarding.js'
import { answering, holding, TestBackend } from '../../support/backend.js'
import { TestClock } from '../../support/clock.js'

const nobody: Downstream = {
  inContext: (act, ...args) => act(...args),
  fail() {},
  flushHead() {},
  break() {},
  inform() {},
  trailers() {},
  switchProtocols: () => undefined,
}

type Callback = Parameters<Forwarding['forward']>[1]

function dispatching(t: TestContext, url: string, clock?: TestClock, names?: NameLookup) {
  const balancer = new Balancer({ backends: [{ url, id: 'a' }], clock })
  const timeouts = { connect: 60_000, response: 60_000, body: 60_000 }
  const dispatcher = new LeaseDispatcher({
    onFailed() {},
    balancer,
    timeouts,
    retries: 0,
    failureStatus: '500,502-504',
    retryStatus: '',
    hostHeader: 'client',
    requestBuffer: 0,
    maxResponseHeaders: 65_536,
    keepAlive: 4000,
    maxConnectionAge: 0,
    ...(names && { names }),
  })
  t.after(() => dispatcher.destroy())
  const forwarding = dispatcher.forwarding()
  /** Sends a request on a lease of its own. */
  const send = (path: string, callback: Callback, method = 'GET') => {
    const lease = balancer.acquire()
    const context = new ProxyContext('1', lease, balancer.policy, path, 'a', nobody)
    context.fields = ['host', '']
    context.method = method
    forwarding.forward(context, callback)
    return lease
  }
  const ask = (path: string) =>
    new Promise<string>((resolve, reject) => {
      send(path, (error, response) => {
        if (!response) reject(error)
        else if (response.body instanceof WholeBody) resolve(String(response.body.bytes))
        else resolve(text(response.body.stream()))
      })
    })
  return { balancer, send, ask }
}

test('a request that is cut before it has a connection never reaches the backend', async (t) => {
  const backend = await answering()
  t.after(() => backend.close())
  const { balancer, send, ask } = dispatching(t, backend.url)
  const outcome = new Promise((resolve) => {
    const reason = new Error('enough')
    send('/cut', (error) => resolve(error?.cause === reason)).cut(reason)
  })
  assert.equal(await outcome, true)
  assert.equal(balancer.registry.inFlight, 0)
  assert.equal(await ask('/next'), 'ok')
  assert.deepEqual(
    backend.seen.map(({ url }) => url),
    ['/next'],
  )
})

test('a backend that is removed while a connection to it is made is not looked up again', async (t) => {
  // It accepts, and says nothing of TLS.
  const silent = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => silent.close())
  const { port } = silent.address() as { port: number }
  const names = new NameLookup(
    (_name, done) => done(null, [{ address: '127.0.0.1', family: 4 }]),
    new TestClock(),
  )
  const doubted = t.mock.method(names, 'doubt')
  const { balancer, send } = dispatching(t, `https://name.test:${port}`, undefined, names)
  const failed = new Promise((resolve) => send('/', resolve))
  await once(silent, 'connection')
  balancer.registry.remove('a', { force: true })
  assert.match(String(await failed), /was removed/)
  assert.equal(doubted.mock.callCount(), 0)
})

test('a lease is not held for a connection that may never come, nor is the connection for ever', async (t) => {
  // It accepts, and says nothing of TLS.
  const silent = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => silent.close())
  const { port } = silent.address() as { port: number }
  const { balancer, send } = dispatching(t, `https://127.0.0.1:${port}`)
  const lease = send('/', () => assert.fail('nobody is there to be told'))
  await once(silent, 'connection')
  assert.equal(balancer.registry.inFlight, 1)
  lease.cut(new ClientGoneError())
  assert.equal(balancer.registry.inFlight, 0)
  assert.equal(balancer.registry.get('a').leases.failed, 0)
})

test('no request waits behind another on a connection', async (t) => {
  const backend = await holding()
  t.after(() => backend.close())
  const { ask } = dispatching(t, backend.url)
  const both = [ask('/1'), ask('/2')]
  await backend.untilOpen(2)
  assert.equal(backend.sockets.size, 2)
  backend.release()
  assert.deepEqual(await Promise.all(both), ['held', 'held'])
})

test('the connections of a backend that was removed are closed, and not before its requests are done', async (t) => {
  const backend = await holding()
  // They would be kept for longer than this test may take.
  backend.server.keepAliveTimeout = 600_000
  t.after(() => backend.close())
  const { balancer, ask } = dispatching(t, backend.url)
  const last = ask('/')
  await backend.untilOpen(1)
  balancer.registry.remove('a')
  const [socket] = backend.sockets
  assert.ok(socket)
  backend.release()
  assert.equal(await last, 'held')
  assert.equal(balancer.registry.size, 0)
  if (!socket.closed) await once(socket, 'close')
})

test('latency is from the moment of sending: neither what came before nor the connection is in it', async (t) => {
  for (const method of ['GET', 'POST']) {
    const clock = new TestClock()
    const backend = await new TestBackend((_request, response) => {
      clock.pass(7)
      response.end('ok')
    }).listen()
    t.after(() => backend.close())
    const { balancer, send } = dispatching(t, backend.url, clock)
    const answered = new Promise((resolve) => {
      const lease = send('/', (error) => resolve(error), method)
      assert.equal(lease.dispatchedAt, 0)
    })
    // There is no connection before the next turn of the loop.
    clock.pass(500)
    assert.equal(await answered, null)
    assert.deepEqual(balancer.registry.get('a').view().latency, { ewma: 7, p50: 7, p99: 7 }, method)
  }
})
