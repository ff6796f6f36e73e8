import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import net, { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { Readable, Stream } from 'node:stream'
import { test } from 'node:test'
import replyFrom, { type FastifyReplyFromOptions } from '@fastify/reply-from'
import Fastify from 'fastify'
import { type Logger, pino } from 'pino'
import { type Metric, Registry } from 'prom-client'
import { root } from '../support/process.js'
import { received } from '../support/received.js'

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'

const described = (object: object | null): string[] => {
  const found: string[] = []
  for (let one = object; one; one = Object.getPrototypeOf(one)) {
    for (const { description } of Object.getOwnPropertySymbols(one)) found.push(String(description))
  }
  return found
}

test('every file and every test that the ledger names is there', () => {
  const text = readFileSync(join(root, 'docs/internals.md'), 'utf8')
  const own = readFileSync(join(root, 'test/structure/internals.test.ts'), 'utf8')
  const rows = text.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| what'))
  assert.ok(rows.length > 15)
  for (const row of rows) {
    const [, , file, , proof] = row.split('|').map((cell) => cell.trim()) as [
      string,
      string,
      string,
      string,
      string,
    ]
    assert.ok(existsSync(join(root, file.replaceAll('`', ''))), file)
    if (proof.startsWith('canary')) assert.ok(own.includes(`test('${proof}'`), proof)
    else assert.ok(existsSync(join(root, proof.replaceAll('`', ''))), proof)
  }
})

test('canary: the response of a socket', async (t) => {
  const { socket, response } = await received(t, GET)
  assert.equal((socket as unknown as { _httpMessage: unknown })._httpMessage, response)
  let drained = 0
  response.on('drain', () => drained++)
  response.emit('drain')
  assert.equal(drained, 1)
})

test('canary: whether a stream was read', async (t) => {
  const { request, client } = await received(t, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n')
  client.write('body')
  await once(request, 'readable')
  request.unshift(request.read())
  assert.equal(request.readableDidRead, true)
  const { _readableState } = request as unknown as { _readableState: { dataEmitted: boolean } }
  _readableState.dataEmitted = false
  assert.equal(request.readableDidRead, false)
  assert.equal(String(request.read()), 'body')
  assert.equal(request.readableDidRead, true)
})

test('canary: the end of a connection', async (t) => {
  const { socket, response } = await received(t, GET)
  const called = new Promise<void>((resolve) => {
    socket.destroySoon = resolve
  })
  response.setHeader('connection', 'close')
  response.end('x')
  await called
  Reflect.deleteProperty(socket, 'destroySoon')
  assert.equal(typeof socket.destroySoon, 'function')
})

test('canary: one write', async (t) => {
  const { client, socket, response } = await received(t, GET)
  const { write, end } = http.ServerResponse.prototype
  let writes = 0
  const handle = (socket as unknown as { _handle: Record<string, (...args: unknown[]) => unknown> })._handle
  for (const name of ['writeLatin1String', 'writeUtf8String', 'writeAsciiString', 'writeBuffer', 'writev']) {
    const before = handle[name] as (...args: unknown[]) => unknown
    handle[name] = function (...args) {
      writes++
      return before.apply(this, args)
    }
  }
  response.setHeader('content-length', 3)
  socket.cork()
  write.call(response, 'abc', 'latin1')
  socket.uncork()
  ;(end as (this: ServerResponse) => void).call(response)
  await once(client, 'data')
  assert.equal(writes, 1)
})

test('canary: idle connections', async (t) => {
  const { server, client, response } = await received(t, GET)
  response.end('x')
  await once(client, 'data')
  net.Server.prototype.close.call(server)
  client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  const [, second] = (await once(server, 'request')) as [IncomingMessage, ServerResponse]
  second.setHeader('connection', 'close')
  second.end('y')
  await once(server, 'close')
})

test('canary: writes of a socket', async (t) => {
  const { client, socket } = await received(t, GET)
  const seen: string[] = []
  for (const name of ['_write', '_writev', '_final'] as const) {
    const before = client[name] as (...args: unknown[]) => void
    assert.equal(typeof before, 'function', name)
    client[name] = ((...args: unknown[]) => {
      seen.push(name)
      before.apply(client, args)
    }) as never
  }
  socket.on('error', () => {})
  client.write('a')
  client.cork()
  client.write('b')
  client.write('c')
  client.uncork()
  client.end()
  await once(client, 'finish')
  assert.deepEqual(seen, ['_write', '_writev', '_final'])
})

test('canary: the buffer of a read', async (t) => {
  const server = net.createServer((socket) => socket.on('data', (chunk) => socket.write(chunk)))
  t.after(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const first = Buffer.alloc(8)
  const second = Buffer.alloc(8)
  const buffers = [first, undefined, second]
  const reads: [number, boolean][] = []
  const socket = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    onread: {
      buffer: (() => buffers.shift()) as () => Uint8Array,
      callback(bytes, buffer) {
        reads.push([bytes, buffer === first])
        socket.emit('read')
        return true
      },
    },
  })
  t.after(() => socket.destroy())
  for (const text of ['a', 'bc', 'def']) {
    socket.write(text)
    await once(socket, 'read')
  }
  assert.deepEqual(reads, [
    [1, true],
    [2, true],
    [3, false],
  ])
  assert.equal(first.toString('latin1', 0, 2), 'bc')
  assert.equal(second.toString('latin1', 0, 3), 'def')
})

test('canary: fields of a request', async (t) => {
  const { request } = await received(t, 'GET / HTTP/1.1\r\nhost: a\r\nX-A: 1\r\nx-a: 2\r\n\r\n')
  assert.deepEqual(request.rawHeaders, ['host', 'a', 'X-A', '1', 'x-a', '2'])
  assert.deepEqual(request.headersDistinct['x-a'], ['1', '2'])
  delete request.headers['x-a']
  delete request.headersDistinct['x-a']
  request.rawHeaders.length = 2
  assert.deepEqual(Object.keys(request.headers), ['host'])
  assert.deepEqual(Object.keys(request.headersDistinct), ['host'])
  assert.deepEqual(request.rawHeaders, ['host', 'a'])
})

test('canary: symbols of Fastify', async () => {
  const app = Fastify()
  let seen: { request: string[]; reply: string[]; hooks: unknown } | undefined
  app.addHook('onRequest', async () => {})
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  app.post('/', async (request, reply) => {
    reply.trailer('x-t', async () => '1')
    seen = { request: described(request), reply: described(reply), hooks: undefined }
    return 'x'
  })
  await app.inject({ method: 'POST', url: '/', payload: 'x', headers: { 'content-type': 'text/x' } })
  for (const name of ['fastify.request.contentType', 'fastify.RequestPayloadStream']) {
    assert.ok(seen?.request.includes(name), `${name} of a request`)
  }
  assert.ok(seen?.reply.includes('fastify.reply.trailers'))
  const key = Object.getOwnPropertySymbols(app).find(({ description }) => description === 'fastify.hooks')
  const hooks = key && (app as unknown as Record<symbol, Record<string, unknown>>)[key]
  assert.deepEqual([hooks?.onRequest].flat().length, 1)
  assert.deepEqual(hooks?.preHandler, [])
})

test('canary: before the first hook', async () => {
  const app = Fastify({ logger: { level: 'silent' } })
  const order: string[] = []
  app.addHook('onRequest', async () => {
    order.push('hook of the app')
  })
  await app.register(async (scope) => {
    scope.setGenReqId(() => {
      order.push('id')
      return 'x'
    })
    scope.setChildLoggerFactory((logger, bindings, options) => {
      order.push('logger')
      return logger.child(bindings, options)
    })
    scope.get('/', async () => 'x')
  })
  await app.inject('/')
  assert.deepEqual(order, ['id', 'logger', 'hook of the app'])
})

test('canary: the router', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  const order: string[] = []
  app.addHook('onRequest', async () => {
    order.push('hook')
  })
  app.get('/', async () => 'x')
  await app.ready()
  const stop = new Error('stop')
  const headers = Object.create(null, {
    connection: {
      get() {
        order.push('connection')
        throw stop
      },
    },
  })
  const request = Object.assign(new Readable({ read() {} }), { method: 'GET', url: '/', headers })
  assert.throws(() => app.routing(request as never, {} as never), stop)
  assert.deepEqual(order, ['connection'])
})

test('canary: reply-from', async () => {
  const key = Symbol('mine')
  const app = Fastify()
  let got: Record<symbol, unknown> | undefined
  await app.register(replyFrom, {
    undici: {
      request({ headers }: { headers: Record<symbol, unknown> }, callback: (...args: unknown[]) => void) {
        got = headers
        callback(null, { statusCode: 200, headers: {}, body: Readable.from(['x']) })
      },
      destroy() {},
    },
    retryMethods: [],
  } as unknown as FastifyReplyFromOptions)
  app.get('/', (_request, reply) => {
    reply.from('/', {
      getUpstream: () => 'http://backend',
      rewriteRequestHeaders: () => ({ [key]: 'context' }) as never,
    })
  })
  assert.equal((await app.inject('/')).body, 'x')
  assert.equal(got?.[key], 'context')
})

test('canary: an emitter with `pipe`', async (t) => {
  const told: string[] = []
  class Emitter extends Stream {
    readonly #path: string

    constructor(path: string) {
      super()
      this.#path = path
    }

    override pipe<T extends NodeJS.WritableStream>(destination: T, options?: { end?: boolean }): T {
      told.push(`pipe ${options?.end}`)
      if (this.#path === '/broken') {
        this.emit('error', new Error('broken'))
      } else {
        destination.write('x')
        if (this.#path === '/whole') {
          this.emit('end')
          if (options?.end !== false) destination.end()
        }
      }
      return destination
    }

    destroy() {
      told.push('destroy')
      this.emit('close')
    }
  }
  const app = Fastify()
  t.after(() => app.close())
  app.get('/*', (request, reply) => {
    if (request.headers['x-sum']) reply.trailer('x-sum', async () => '1')
    reply.send(new Emitter(request.url))
  })
  assert.equal((await app.inject('/whole')).body, 'x')
  const trailed = await app.inject({ url: '/whole', headers: { 'x-sum': '1' } })
  assert.deepEqual([trailed.body, trailed.trailers['x-sum']], ['x', '1'])
  assert.equal((await app.inject('/broken')).statusCode, 500)
  assert.deepEqual(told, ['pipe undefined', 'pipe false', 'pipe undefined'])
  const client = http.get(`${await app.listen({ port: 0, host: '127.0.0.1' })}/left`)
  client.on('error', () => {})
  const [response] = await once(client, 'response')
  response.destroy()
  while (!told.includes('destroy')) await new Promise(setImmediate)
})

test('canary: fields of a logger', () => {
  const { chindingsSym } = pino.symbols as unknown as { chindingsSym: keyof Logger }
  const child = pino({ level: 'info' }, { write() {} }).child({ reqId: 'r-1', n: 1 })
  assert.match(String(child[chindingsSym]), /,"reqId":"r-1","n":1$/)
})

test('canary: metrics of a registry', async () => {
  const asked: string[] = []
  const metric = new Proxy(
    {
      name: 'a_total',
      help: 'h',
      type: 'counter',
      aggregator: 'sum',
      reset() {},
      get: async () => ({ name: 'a_total', help: 'h', type: 'counter', aggregator: 'sum', values: [] }),
      getForPromString: async () => ({
        name: 'a_total',
        help: 'h',
        type: 'counter',
        values: [{ labels: { x: '1' }, sharedLabels: { y: '2' }, value: 3 }],
      }),
    } as Record<string, unknown>,
    {
      get(target, name) {
        asked.push(String(name))
        if (!(name in target)) throw new Error(`asked for ${String(name)}`)
        return target[name as string]
      },
      has: () => false,
    },
  )
  const registry = new Registry()
  registry.registerMetric(metric as unknown as Metric)
  assert.match(await registry.metrics(), /^a_total\{x="1",y="2"\} 3$|^a_total\{y="2",x="1"\} 3$/m)
  await registry.getMetricsAsJSON()
  registry.resetMetrics()
  assert.ok(asked.includes('getForPromString') && asked.includes('get'))
})
