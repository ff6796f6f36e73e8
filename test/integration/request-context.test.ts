import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Socket } from 'node:net'
import { Transform } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import Fastify, { type FastifyError, type FastifyRequest } from 'fastify'
import leastwise, { type LeastwiseOptions } from '../../src/index.js'
import { type Handler, TestBackend } from '../support/backend.js'
import { call } from '../support/client.js'
import { exchange, RawClient } from '../support/raw.js'
import { until } from '../support/until.js'

interface Store {
  url: string
}

/** Sends the path back; as much as the number in it says, in parts. */
const echo: Handler = (request, response) => {
  const url = request.url as string
  if (request.method === 'POST') {
    request.resume().once('end', () => response.end(url))
  } else if (url.includes('stream')) {
    response.write(url)
    setImmediate(() => response.write(Buffer.alloc(200_000, 'x')))
    setTimeout(() => response.end(url), 2)
  } else {
    setImmediate(() => response.end(url))
  }
}

interface Setting {
  /** How the app gives each request its store. */
  by?: 'server' | 'hook' | 'preHandler'
  options?: Partial<LeastwiseOptions>
}

/** An app that gives each request its own store, and notes by path where code of the app has seen which store. */
async function appWith(t: TestContext, backends: TestBackend[], { by = 'server', options }: Setting = {}) {
  const stores = new AsyncLocalStorage<Store>()
  const seen = new Map<string, string[]>()
  const wrong: string[] = []
  const note = (place: string, { url }: FastifyRequest) => {
    const store = stores.getStore()
    if (store?.url !== url) wrong.push(`${place} of ${url} sees ${store ? store.url : 'nothing'}`)
    seen.set(url, [...(seen.get(url) ?? []), place])
  }
  const app = Fastify({ forceCloseConnections: true, bodyLimit: 400_000 })
  if (by === 'hook') {
    app.addHook('onRequest', (request, _reply, done) => stores.run({ url: request.url }, done))
  } else if (by === 'preHandler') {
    app.addHook('preHandler', (request, _reply, done) => stores.run({ url: request.url }, done))
  } else {
    const emit = app.server.emit.bind(app.server) as (event: string, ...args: unknown[]) => boolean
    app.server.emit = ((event: string, ...args: unknown[]) => {
      if (event !== 'request' && event !== 'upgrade') return emit(event, ...args)
      const [{ url }] = args as [Store]
      return stores.run({ url }, () => emit(event, ...args))
    }) as typeof app.server.emit
  }
  app.addHook('preHandler', async (request) => {
    note('preHandler', request)
    if (request.url.includes('reading')) request.raw.on('data', () => {})
  })
  app.addHook('onSend', async (request, _reply, payload) => {
    note('onSend', request)
    if (typeof (payload as NodeJS.ReadableStream | null)?.pipe !== 'function') return payload
    const transform = new Transform({
      transform(chunk, _encoding, done) {
        note('chunk', request)
        done(null, chunk)
      },
      flush(done) {
        note('flush', request)
        done()
      },
    })
    return (payload as NodeJS.ReadableStream)
      .on('error', (error) => {
        note('break', request)
        transform.destroy(error)
      })
      .pipe(transform)
  })
  app.addHook('onResponse', async (request) => note('onResponse', request))
  app.addHook('onError', async (request) => note('onError', request))
  app.setErrorHandler((error: FastifyError, request, reply) => {
    note('errorHandler', request)
    reply.code(error.statusCode ?? 500).send({ code: error.code })
  })
  await app.register(leastwise, {
    prefix: '/api',
    backends: backends.map(({ url }) => url),
    errors: 'app',
    maxEventLoopDelay: 0,
    ...options,
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  t.after(() => app.close())
  return { app, url, stores, seen, wrong }
}

async function backendOf(t: TestContext, handler: Handler = echo): Promise<TestBackend> {
  const backend = await new TestBackend(handler).listen()
  t.after(() => backend.close())
  return backend
}

for (const by of ['server', 'hook'] as const) {
  test(`hooks of an app see their own request's context on a kept connection, set by the ${by}`, async (t) => {
    const backend = await backendOf(t)
    const { url, seen, wrong } = await appWith(t, [backend], { by })
    for (let n = 0; n < 5; n++) {
      for (const path of [`/api/whole${n}`, `/api/stream${n}`]) {
        await call(url + path)
        await until(
          () => seen.get(path) ?? [],
          (places) => places.includes('onResponse'),
        )
      }
      await call(`${url}/api/post${n}`, { method: 'POST', body: Buffer.alloc(300_000) })
    }
    assert.deepEqual(wrong, [])
    assert.equal(backend.sockets.size, 1)
    assert.deepEqual(
      [...new Set(seen.get('/api/stream4'))],
      ['preHandler', 'onSend', 'chunk', 'flush', 'onResponse'],
    )
  })
}

test('requests that waited in the queue or for an earlier one of their connection keep their context', async (t) => {
  const backend = await backendOf(t)
  const { url, seen, wrong } = await appWith(t, [backend], {
    options: { maxConnections: 1, queueTimeout: 5000 },
  })
  await Promise.all(Array.from({ length: 20 }, (_, n) => call(`${url}/api/queued${n}`)))
  const client = new RawClient(url)
  t.after(() => client.close())
  const paths = [1, 2, 3].map((n) => `/api/pipelined${n}`)
  client.send(paths.map((path) => `PUT ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab`).join(''))
  await until(
    () => paths.filter((path) => seen.get(path)?.includes('onResponse')).length,
    (count) => count === paths.length,
  )
  assert.deepEqual(wrong, [])
})

test('a body that is read ahead leaves the context as it was', async (t) => {
  const backend = await backendOf(t)
  const { url, wrong, seen } = await appWith(t, [backend])
  for (const path of ['/api/ahead1', '/api/ahead2']) {
    const client = new RawClient(url)
    t.after(() => client.close())
    client.send(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nab`)
    await turn()
    await turn()
    client.send('cd')
    await until(
      () => seen.get(path) ?? [],
      (places) => places.includes('onResponse'),
    )
    await client.until(/^HTTP\/1.1 200 /)
  }
  assert.deepEqual(wrong, [])
})

test('a body that is refused, or that stops, is answered in the context that a preHandler hook has set', async (t) => {
  const backend = await backendOf(t)
  const options = { bodyTimeout: 50, requestBuffer: 0 }
  const { url, wrong, seen } = await appWith(t, [backend], { by: 'preHandler', options })
  for (const path of ['/api/stops', '/api/reading-too-much']) {
    const client = new RawClient(url)
    t.after(() => client.close())
    const body = path.includes('much') ? 'x'.repeat(500_000) : 'ab'
    client.send(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n${body}`)
    await until(
      () => seen.get(path) ?? [],
      (places) => places.includes('errorHandler'),
    )
  }
  assert.deepEqual(wrong, [])
})

test('retries, hedges and refusals are answered in the context of their request', async (t) => {
  const failing = await backendOf(t, (_request, response) =>
    setImmediate(() => response.writeHead(503).end()),
  )
  const slow = await backendOf(t, (request, response) => setTimeout(() => response.end(request.url), 30))
  const retried = await appWith(t, [failing, slow], {
    options: { retryStatus: '503', retries: 1, hedge: 5, hedgeBudget: 100 },
  })
  for (let n = 0; n < 6; n++) await call(`${retried.url}/api/retried${n}`)
  assert.deepEqual(retried.wrong, [])

  const broken = await backendOf(t, (request) => setImmediate(() => request.socket.destroy()))
  const failed = await appWith(t, [broken], { options: { retries: 1, ejectMaxPercent: 0 } })
  for (let n = 0; n < 4; n++) {
    const path = `/api/broken${n}`
    await call(failed.url + path)
    assert.ok(failed.seen.get(path)?.includes('errorHandler'))
    assert.ok(failed.seen.get(path)?.includes('onError'))
  }
  assert.deepEqual(failed.wrong, [])

  const held = await backendOf(t, (request, response) => {
    if (!request.url?.includes('held')) response.end()
  })
  const full = await appWith(t, [held], {
    options: { maxConnections: 1, queueTimeout: 5, responseTimeout: 50, retries: 0, ejectMaxPercent: 0 },
  })
  const first = call(`${full.url}/api/held`)
  await held.untilOpen(1)
  await call(`${full.url}/api/refused`)
  await first
  assert.deepEqual(full.wrong, [])
  assert.ok(full.seen.get('/api/refused')?.includes('errorHandler'))
  assert.ok(full.seen.get('/api/held')?.includes('errorHandler'))
})

test('what a backend breaks off, and what a client leaves, shows no other request', async (t) => {
  const backend = await backendOf(t, (request, response) => {
    const url = request.url as string
    if (url.includes('bodiless')) {
      response.writeHead(200, { 'content-length': '100' }).flushHeaders()
      return void setTimeout(() => request.socket.destroy(), 2)
    }
    if (!url.includes('break') && !url.includes('left')) return void response.end(url)
    response.writeHead(200, { 'content-length': '100' }).write('ab')
    if (url.includes('break')) setTimeout(() => request.socket.destroy(), 2)
  })
  const { url, wrong, seen, app } = await appWith(t, [backend])
  for (let n = 0; n < 3; n++) {
    await call(`${url}/api/opens${n}`)
    await assert.rejects(call(`${url}/api/break${n}`))
    await call(`${url}/api/bodiless${n}`)
    await call(`${url}/api/opens-again${n}`)
    const client = new RawClient(url)
    client.send(`GET /api/left${n} HTTP/1.1\r\nHost: a\r\n\r\n`)
    await backend.untilOpen(1)
    await until(
      () => seen.get(`/api/left${n}`) ?? [],
      (places) => places.includes('chunk'),
    )
    client.close()
    await backend.untilOpen(0)
  }
  assert.ok(seen.get('/api/break2')?.includes('break'))
  assert.ok(seen.get('/api/bodiless2')?.includes('break'))
  await app.close()
  // Node itself tells that a client has left in no context at all.
  assert.deepEqual(
    wrong.filter((one) => !/left.* sees nothing$/.test(one)),
    [],
  )
})

test('an upgrade leaves its own context to its hooks, and the next request has another', async (t) => {
  const backend = await backendOf(t)
  backend.server.on('upgrade', (_request, socket: Socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')
    socket.on('data', (data) => socket.end(data))
  })
  const { url, wrong, seen } = await appWith(t, [backend])
  for (let n = 0; n < 3; n++) {
    await call(`${url}/api/before${n}`)
    const client = new RawClient(url)
    client.send(`GET /api/up${n} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n`)
    await client.until(' 101 ')
    client.send('echo')
    await client.until(/echo$/)
    client.close()
  }
  assert.deepEqual(wrong, [])
  assert.deepEqual(seen.get('/api/up2'), ['preHandler'])
})

test('no kept connection or timer keeps the context of a request that is over', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const backend = await backendOf(t)
  const { url, stores } = await appWith(t, [backend])
  const kept: WeakRef<Store>[] = []
  const { run } = stores
  stores.run = ((store: Store, ...rest: [() => unknown]) => {
    kept.push(new WeakRef(store))
    return run.call(stores, store, ...rest)
  }) as typeof stores.run
  for (const path of ['/api/opens', '/api/stream', '/api/last']) {
    await exchange(url, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
  }
  assert.equal(kept.length, 3)
  await until(
    () => {
      collect()
      return kept.filter((one) => one.deref()).length
    },
    (count) => count === 0,
  )
  assert.equal(backend.sockets.size, 1)
})
