import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Headers } from '../../../../src/proxy/http/fields.js'
import { addressOf } from '../../../../src/proxy/upstream/transport/address.js'
import type { Connection } from '../../../../src/proxy/upstream/transport/http1/connection.js'
import {
  type ConnectionOptions,
  ConnectionPool,
} from '../../../../src/proxy/upstream/transport/http1/connection-pool.js'
import { Connector } from '../../../../src/proxy/upstream/transport/http1/connector.js'
import type {
  TransportListener,
  UpstreamRequest,
} from '../../../../src/proxy/upstream/transport/transport.js'
import { TestClock } from '../../../support/clock.js'
import { RawBackend, type Script } from '../../../support/raw.js'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

async function pooled(t: TestContext, script: Script = OK, options: Partial<ConnectionOptions> = {}) {
  const backend = await new RawBackend(script).listen()
  t.after(() => backend.close())
  const clock = new TestClock()
  const connector = new Connector(addressOf({ url: backend.url }), undefined, () => undefined, 0)
  const pool = new ConnectionPool(connector, {
    keepAlive: 4000,
    maxConnectionAge: 0,
    maxResponseHeaders: 65_536,
    clock,
    ...options,
  })
  t.after(() => pool.destroy())
  return { backend, pool, clock }
}

/** What came of one request. */
class Exchange implements TransportListener {
  readonly events: string[] = []
  text = ''
  readonly over: Promise<this>
  onReadEnd = () => {}
  #end!: (error?: Error) => void

  constructor() {
    this.over = new Promise((resolve, reject) => {
      this.#end = (error) => (error ? reject(error) : resolve(this))
    })
  }

  onLookedUp(): void {}
  onStarted(): void {
    this.events.push('started')
  }
  onBodyStarted(): void {
    this.events.push('body started')
  }
  onBodySent(bytes: number): void {
    this.events.push(`sent ${bytes}`)
  }
  onBodyEnd(): void {
    this.events.push('body end')
  }
  onBodyStopped(): void {
    this.events.push('body stopped')
  }
  onResponseHead(statusCode: number): void {
    this.events.push(String(statusCode))
  }
  onResponseData(chunk: Buffer): void {
    this.text += chunk.toString('latin1')
  }
  onResponseEnd(_trailers: Headers): void {
    this.#end()
  }
  onSwitched(_headers: Headers, socket: Socket): void {
    socket.destroy()
    this.#end(new Error('switched'))
  }
  onFailed(error: Error): void {
    this.#end(error)
  }
}

function send(connection: Connection, request: Partial<UpstreamRequest> = {}): Exchange {
  const exchange = new Exchange()
  connection.send(
    { method: 'GET', path: '/', fields: ['host', 'a'], maxBody: 0, ...request } as UpstreamRequest,
    exchange,
  )
  return exchange
}

function withBody(text: string): Partial<UpstreamRequest> {
  const body = Object.assign(new Readable({ read() {} }), { complete: true })
  body.push(text)
  body.push(null)
  return { method: 'POST', fields: ['host', 'a', 'content-length', String(text.length)], body }
}

/** Opens connections, and ends their requests in the given order. */
async function opened(pool: ConnectionPool, count: number): Promise<Connection[]> {
  const connections = Array.from({ length: count }, () => pool.take())
  for (const connection of connections) await send(connection).over
  return connections
}

test('the connection that was used last is used first', async (t) => {
  const { pool } = await pooled(t)
  const [first, second] = await opened(pool, 2)
  assert.equal(pool.take(), second)
  assert.equal(pool.take(), first)
})

test('an idle connection is closed after the time for which it is kept', async (t) => {
  const { pool, clock, backend } = await pooled(t)
  const [first] = await opened(pool, 1)
  clock.pass(3999)
  assert.equal(pool.take(), first)
  await send(first as Connection).over
  clock.pass(4000)
  await backend.until(() => [...backend.sockets].every((socket) => socket.destroyed))
  assert.notEqual(pool.take(), first)
})

test('an idle connection is given up before the time that the backend has named', async (t) => {
  const said = (timeout: string) =>
    `HTTP/1.1 200 OK\r\nkeep-alive: timeout=${timeout}\r\ncontent-length: 2\r\n\r\nok`
  const { pool, clock, backend } = await pooled(t, said('3'))
  const [first] = await opened(pool, 1)
  clock.pass(1999)
  assert.equal(pool.take(), first)
  backend.script = said('1')
  await send(first as Connection).over
  clock.pass(499)
  assert.equal(pool.take(), first)
  backend.script = said('60')
  await send(first as Connection).over
  clock.pass(3999)
  assert.equal(pool.take(), first)
  backend.script = said('0')
  await send(first as Connection).over
  assert.notEqual(pool.take(), first)
})

test('a connection takes no request past its age', async (t) => {
  const { pool, clock } = await pooled(t, OK, { maxConnectionAge: 10_000 })
  const [first] = (await opened(pool, 1)) as [Connection]
  for (const _ of [1, 2, 3]) {
    clock.pass(3000)
    assert.equal(pool.take(), first)
    await send(first).over
  }
  clock.pass(1000)
  const next = pool.take()
  assert.notEqual(next, first)
  const exchange = new Exchange()
  exchange.onStarted = () => clock.pass(20_000)
  next.send({ method: 'GET', path: '/', fields: ['host', 'a'] } as unknown as UpstreamRequest, exchange)
  assert.equal((await exchange.over).text, 'ok')
  assert.notEqual(pool.take(), next)
})

test('a connection serves one request if none is kept', async (t) => {
  const { pool, backend } = await pooled(t, OK, { keepAlive: 0 })
  await opened(pool, 2)
  assert.equal(backend.connections, 2)
  assert.match(backend.last, /^connection: close\r$/m)
})

test('a connection on which the backend speaks unasked is not used again', async (t) => {
  const { pool, backend } = await pooled(t)
  const [first] = await opened(pool, 1)
  const [socket] = backend.sockets
  socket?.write(OK)
  await backend.until(() => socket?.destroyed === true)
  assert.notEqual(pool.take(), first)
})

test('a connection is not used again after more than the response', async (t) => {
  const { pool, backend } = await pooled(t, `${OK}HTTP/1.1 200 OK\r\n`)
  const connection = pool.take()
  assert.equal((await send(connection).over).text, 'ok')
  assert.notEqual(pool.take(), connection)
  assert.equal(backend.requests.length, 1)
})

test('a connection that the backend is closing gets no further request', async (t) => {
  const closing = 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'
  const { pool } = await pooled(t, closing)
  const connection = pool.take()
  await send(connection).over
  assert.notEqual(pool.take(), connection)
})

test('a POST is sent on another connection if the kept one is closed in the same turn', async (t) => {
  const { pool, backend } = await pooled(t)
  const trigger = connect(Number(new URL(backend.url).port), '127.0.0.1')
  t.after(() => trigger.destroy())
  trigger.write('x')
  await backend.until(() => backend.sockets.size === 1)
  const [bell] = backend.sockets
  for (const request of [{ method: 'POST' }, withBody('four'), withBody('x'.repeat(100_000))]) {
    const [kept] = (await opened(pool, 1)) as [Connection]
    const { connections } = backend
    for (let turns = 0; turns < 3; turns++) await setImmediate()
    // Both arrive before the event loop reads either, and it reads them in this order.
    bell?.write('x')
    for (const socket of backend.sockets) if (socket !== bell) socket.end()
    await once(trigger, 'data')
    assert.equal(pool.take(), kept)
    const exchange = send(kept, request)
    assert.equal((await exchange.over).text, 'ok')
    assert.equal(backend.connections, connections + 1)
    assert.equal(kept.reused, false)
  }
})

test('a POST is sent on another connection if the kept one is reset in the same turn', async (t) => {
  const { pool, backend } = await pooled(t)
  const [kept] = (await opened(pool, 1)) as [Connection]
  const [socket] = backend.sockets
  // The request is queued after the event loop has read, so that it waits until the reset was read as well.
  await setImmediate()
  socket?.resetAndDestroy()
  assert.equal(pool.take(), kept)
  const exchange = send(kept, { method: 'POST' })
  assert.equal((await exchange.over).text, 'ok')
  assert.equal(backend.connections, 2)
  assert.equal(kept.reused, false)
  assert.equal(pool.take(), kept)
})

test('a small body leaves with the head of its request, and both are reported before the response', async (t) => {
  const { pool, backend } = await pooled(t)
  const exchange = send(pool.take(), withBody('four'))
  await exchange.over
  assert.deepEqual(exchange.events, ['started', 'body started', 'sent 4', 'body end', '200'])
  assert.match(backend.last, /\r\n\r\nfour$/)
})

test('a request that must not be sent fails before there is a connection', async (t) => {
  const { pool, backend } = await pooled(t)
  const exchange = send(pool.take(), { fields: ['host', 'a', 'x', 'a\r\nb: c'] })
  await assert.rejects(exchange.over, { code: 'ERR_INVALID_CHAR' })
  assert.deepEqual(exchange.events, [])
  assert.equal(backend.connections, 0)
})

test('a listener that aborts hears nothing more, and the connection is not used again', async (t) => {
  const { pool, backend } = await pooled(t, `${OK}${OK}`)
  for (const event of ['onStarted', 'onResponseHead', 'onResponseData', 'onReadEnd'] as const) {
    const connection = pool.take()
    backend.script = event === 'onReadEnd' ? 'HTTP/1.1 200 OK\r\n' : OK
    const exchange = new Exchange()
    let calls = 0
    const aborted = new Promise<void>((resolve) => {
      exchange[event] = () => {
        calls++
        connection.abort()
        exchange.onResponseData = exchange.onResponseEnd = exchange.onFailed = () => assert.fail(event)
        resolve()
      }
    })
    connection.send(
      { method: 'GET', path: '/', fields: ['host', 'a'] } as unknown as UpstreamRequest,
      exchange,
    )
    await aborted
    await setImmediate()
    assert.equal(calls, 1)
    assert.notEqual(pool.take(), connection)
  }
})

test('a paused connection reads nothing, and is read again after it has become idle', async (t) => {
  const length = 4_000_000
  const { pool, backend } = await pooled(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`)
    socket.write(Buffer.alloc(length, 'x'))
  })
  const connection = pool.take()
  const exchange = new Exchange()
  let paused = false
  exchange.onResponseData = (chunk) => {
    assert.equal(paused, false)
    exchange.text += chunk.toString('latin1')
    paused = true
    connection.pause()
    globalThis.setImmediate(() => {
      paused = false
      if (exchange.text.length < length) connection.resume()
    })
  }
  connection.send({ method: 'GET', path: '/', fields: ['host', 'a'] } as unknown as UpstreamRequest, exchange)
  await exchange.over
  assert.equal(exchange.text, 'x'.repeat(length))
  backend.script = OK
  assert.equal(pool.take(), connection)
  assert.equal((await send(connection).over).text, 'ok')
})

test('chunks that a listener keeps are not overwritten by later reads', async (t) => {
  const body = (letter: string) => letter.repeat(300_000)
  const { pool, backend } = await pooled(t)
  backend.script = (socket, request) => {
    const letter = /^GET \/(\w)/.exec(request)?.[1] ?? ''
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n${body(letter)}`)
  }
  const kept = ['a', 'b', 'c'].map(async (letter) => {
    const chunks: Buffer[] = []
    const exchange = new Exchange()
    exchange.onResponseData = (chunk) => void chunks.push(chunk)
    pool
      .take()
      .send(
        { method: 'GET', path: `/${letter}`, fields: ['host', 'a'] } as unknown as UpstreamRequest,
        exchange,
      )
    await exchange.over
    return () => assert.equal(Buffer.concat(chunks).toString(), body(letter))
  })
  for (const check of await Promise.all(kept)) check()
})

test('a connection that still has to send the last request is not used for the next one', async (t) => {
  const { pool, backend } = await pooled(t)
  // Nobody reads the body, and it is too large for the buffers of the system.
  const body = Object.assign(new Readable({ read() {} }), { complete: false })
  body.push(Buffer.alloc(16_000_000))
  body.push(null)
  const connection = pool.take()
  const exchange = send(connection, { method: 'POST', body })
  await backend.until(() => backend.heardOn !== undefined)
  const socket = backend.heardOn as Socket
  socket.pause()
  socket.write(OK)
  assert.equal((await exchange.over).text, 'ok')
  assert.equal(connection.blocked, true)
  const next = pool.take()
  assert.notEqual(next, connection)
  assert.equal((await send(next).over).text, 'ok')
  // It may be used again once the backend has read everything.
  backend.script = () => {}
  socket.resume()
  await backend.until(() => backend.requests.length === 2 && !connection.blocked)
  const takes = [pool.take(), pool.take()]
  assert.ok(takes.includes(next) && takes.includes(connection))
})

test('a body that fails after its end does not harm the next request on the connection', async (t) => {
  const { pool, backend } = await pooled(t)
  // Such a body is that of a client that leaves before its response is sent, or that of a hook of the app.
  const body = new Readable({ read() {}, autoDestroy: false })
  body.push(Buffer.alloc(100_000))
  body.push(null)
  const connection = pool.take()
  const request = { method: 'POST', fields: ['host', 'a', 'content-length', '100000'], body }
  await send(connection, request).over
  let respond = () => {}
  backend.script = (socket) => {
    respond = () => void socket.write(OK)
  }
  assert.equal(pool.take(), connection)
  const next = send(connection)
  await backend.until(() => backend.requests.length === 2)
  body.destroy(new Error('it has failed'))
  await assert.rejects(once(body, 'close'), { message: 'it has failed' })
  respond()
  assert.equal((await next.over).text, 'ok')
})

test('closing a pool leaves requests in flight, and keeps no connection', async (t) => {
  let answer = () => {}
  const { pool, backend } = await pooled(t, (socket) => {
    answer = () => void socket.write(OK)
  })
  const exchange = send(pool.take())
  await backend.until(() => backend.requests.length === 1)
  pool.close()
  answer()
  assert.equal((await exchange.over).text, 'ok')
  await backend.until(() => [...backend.sockets].every((socket) => socket.destroyed))
})

test('destroying a pool fails its requests', async (t) => {
  const { pool, backend } = await pooled(t, () => {})
  const exchange = send(pool.take())
  await backend.until(() => backend.requests.length === 1)
  pool.destroy()
  await assert.rejects(exchange.over)
})

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

/** Sends a request and waits for its response. Nothing of it is left on the stack afterwards. */
async function serve(connection: Connection, request: Partial<UpstreamRequest>): Promise<WeakRef<object>> {
  const exchange = send(connection, request)
  await exchange.over
  return new WeakRef(exchange)
}

for (const [what, request] of [
  ['a GET', () => ({})],
  ['a small body', () => withBody('body')],
  ['a large body', () => withBody('x'.repeat(100_000))],
] as const) {
  test(`an idle connection does not keep the request that it has served: ${what}`, async (t) => {
    const { pool } = await pooled(t)
    const connection = pool.take()
    const served = await serve(connection, request())
    for (let i = 0; i < 100 && served.deref(); i++) {
      await setImmediate()
      gc()
    }
    assert.equal(served.deref(), undefined)
    assert.equal(pool.take(), connection)
  })
}
