import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { after, test as declare } from 'node:test'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import { Server as SocketServer } from 'socket.io'
import { io } from 'socket.io-client'
import { WebSocket } from 'undici'
import { WebSocketServer } from 'ws'
import leastwise, { type LeastwiseOptions } from '../../src/index.js'
import { call } from '../support/client.js'
import { RawClient } from '../support/raw.js'

/** Nothing here may hang. */
const test = (name: string, run: (t: declare.TestContext) => Promise<void>) =>
  declare(name, { timeout: 20_000 }, run)

/** A backend that says to each WebSocket who it is and what path was asked for, and answers plain requests alike. */
async function speaker(): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(websocket)
  app.route({
    method: 'GET',
    url: '/*',
    handler: async ({ url }) => `plain ${url}`,
    wsHandler(socket, { url }) {
      socket.send(`pool ${url}`)
      socket.on('message', (text: Buffer) => socket.send(`pool ${text}`))
    },
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app
}
const backend = await speaker()
after(() => backend.close())

type Setup = (app: FastifyInstance) => unknown
const pool =
  (options: LeastwiseOptions = {}) =>
  async (app: FastifyInstance) => {
    await app.register(leastwise, { backends: [backend.listeningOrigin], drainTimeout: 100, ...options })
  }

async function build(t: declare.TestContext, ...parts: Setup[]): Promise<FastifyInstance> {
  const app = Fastify()
  for (const part of parts) await part(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.after(() => app.close())
  return app
}

/** Opens a WebSocket; resolves with what it is told first. */
async function open(app: FastifyInstance, path: string) {
  const socket = new WebSocket(app.listeningOrigin.replace('http', 'ws') + path)
  const messages: string[] = []
  const first = new Promise<string>((resolve, reject) => {
    socket.addEventListener('message', ({ data }) => {
      messages.push(String(data))
      resolve(String(data))
    })
    socket.addEventListener('close', () => reject(new Error(`${path}: closed`)))
    socket.addEventListener('error', () => reject(new Error(`${path}: refused`)))
  })
  const told = await first
  return {
    told,
    messages,
    async ask(text: string) {
      socket.send(text)
      const [event] = await once(socket as never, 'message')
      return String((event as MessageEvent).data)
    },
    async close() {
      const closed = once(socket as never, 'close')
      socket.close()
      await closed
    },
  }
}

const settled = async ({ balancer }: FastifyInstance) => {
  while (balancer.registry.inFlight > 0) await new Promise(setImmediate)
}
const inFlight = (app: FastifyInstance) => app.balancer.registry.inFlight

const ownSockets: Setup = async (app) => {
  await app.register(websocket)
  app.get('/own', { websocket: true }, (socket) => {
    socket.send('own')
    socket.on('message', (text: Buffer) => socket.send(`own ${text}`))
  })
  app.get('/api/own', { websocket: true }, (socket) => void socket.send('own under the prefix'))
  app.get('/page', async () => 'a page')
}

for (const prefix of ['', '/api']) {
  for (const [order, parts] of [
    ['before', [ownSockets, pool({ prefix })]],
    ['after', [pool({ prefix }), ownSockets]],
  ] as const) {
    test(`@fastify/websocket ${order} a pool at "${prefix}": each WebSocket has one owner`, async (t) => {
      const hooks: string[] = []
      const app = await build(
        t,
        (one) => one.addHook('onRequest', async ({ url }) => void hooks.push(url)),
        ...parts,
      )
      const ours = await Promise.all([1, 2, 3].map((n) => open(app, `${prefix}/chat/${n}`)))
      assert.deepEqual(
        ours.map(({ told }) => told),
        ['pool /chat/1', 'pool /chat/2', 'pool /chat/3'],
      )
      assert.equal(inFlight(app), 3)
      assert.deepEqual(
        hooks.sort(),
        [1, 2, 3].map((n) => `${prefix}/chat/${n}`),
        'hooks ran once for each',
      )
      const own = await open(app, '/own')
      const inside = await open(app, '/api/own')
      assert.deepEqual([own.told, inside.told], ['own', 'own under the prefix'])
      assert.equal(inFlight(app), 3)
      for (const [i, socket] of ours.entries())
        assert.equal(await socket.ask(`hello ${i}`), `pool hello ${i}`)
      assert.equal(await own.ask('hello'), 'own hello')
      assert.deepEqual(own.messages, ['own', 'own hello'], 'nothing of anybody else')
      assert.equal((await call(`${app.listeningOrigin}${prefix}/x`)).text, 'plain /x')
      await Promise.all([...ours, own, inside].map((socket) => socket.close()))
      await settled(app)
    })
  }
}

test('three WebSockets whose clients are gone leave no lease behind', async (t) => {
  const app = await build(t, ownSockets, pool({ prefix: '/api', maxConnections: 3 }))
  const handshake =
    'GET /api/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
  const clients = [1, 2, 3].map(() => new RawClient(app.listeningOrigin).send(handshake))
  await Promise.all(clients.map((client) => client.until('pool /x')))
  assert.equal(inFlight(app), 3)
  for (const client of clients) client.reset()
  await settled(app)
  assert.equal((await call(`${app.listeningOrigin}/api/x`)).status, 200)
})

test('a request that a hook hijacked holds its lease no longer than there is a connection', async (t) => {
  const app = await build(
    t,
    (one) =>
      one.addHook('preHandler', async (request, reply) => {
        if (request.url !== '/api/hijacked') return
        reply.hijack()
        request.raw.socket.write('HTTP/1.1 200 OK\r\n\r\nmine')
      }),
    pool({ prefix: '/api' }),
  )
  const client = new RawClient(app.listeningOrigin).send('GET /api/hijacked HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until('mine')
  assert.equal(inFlight(app), 1)
  client.close()
  await settled(app)
})

for (const prefix of ['', '/api']) {
  for (const order of ['before', 'after'] as const) {
    test(`socket.io ${order} a pool at "${prefix}": both answer, and neither the other's`, async (t) => {
      const heard: string[] = []
      let server: SocketServer | undefined
      const attach: Setup = (app) => {
        server = new SocketServer(app.server, { destroyUpgradeTimeout: 50 })
        server.on('connection', (socket) =>
          socket.on('say', (text, answer) => {
            heard.push(text)
            answer(`io ${text}`)
          }),
        )
      }
      const parts = order === 'before' ? [attach, pool({ prefix })] : [pool({ prefix }), attach]
      const app = await build(t, ...parts)
      t.after(() => server?.close())
      for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
        const client = io(app.listeningOrigin, { transports, forceNew: true })
        assert.equal(await client.timeout(10_000).emitWithAck('say', transports.join()), `io ${transports}`)
        client.close()
      }
      const ours = await open(app, `${prefix}/chat`)
      assert.equal(ours.told, 'pool /chat')
      assert.equal(await ours.ask('hello'), 'pool hello')
      assert.equal(inFlight(app), 1)
      assert.deepEqual(heard, ['websocket', 'polling', 'polling,websocket'])
      await ours.close()
      await settled(app)
    })
  }
}

test('socket.io does not end what a backend takes its time to answer', async (t) => {
  const held: Socket[] = []
  const slow = createServer().listen(0, '127.0.0.1')
  slow.on('upgrade', (_request, socket: Socket) => {
    held.push(socket.resume())
    socket.on('end', () => socket.end())
    slow.emit('held')
  })
  await once(slow, 'listening')
  t.after(() => {
    for (const socket of held) socket.destroy()
    slow.close()
  })
  const url = `http://127.0.0.1:${(slow.address() as AddressInfo).port}`
  let server: SocketServer | undefined
  const app = await build(t, pool({ backends: [url] }), (one) => {
    server = new SocketServer(one.server, { destroyUpgradeTimeout: 20 })
  })
  t.after(() => server?.close())
  const client = new RawClient(app.listeningOrigin).send(
    'GET /slow HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n',
  )
  await once(slow, 'held')
  // Long enough for the timer of Engine.IO.
  await new Promise((resolve) => setTimeout(resolve, 100))
  held[0]?.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello')
  assert.match(await client.until('hello'), /^HTTP\/1\.1 101 /)
  client.close()
  await settled(app)
})

const request = (path: string, host = 'a') =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: mine\r\n\r\n`
const mine = 'HTTP/1.1 101 Mine\r\nConnection: Upgrade\r\nUpgrade: mine\r\n\r\n'
const take = (socket: Socket): void => {
  socket.write(mine)
  socket.resume().on('end', () => socket.end())
}
const ask = async (app: FastifyInstance, path: string, host?: string) => {
  const client = new RawClient(app.listeningOrigin).send(request(path, host))
  const text = await client.until('\r\n\r\n')
  client.close()
  await settled(app)
  return text.split(' ')[1] === '101' ? 'others' : text.split(' ')[1]
}
/** Of the backend, which does not know the protocol. */
const REFUSED = '400'

for (const isAsync of [false, true]) {
  test(`a listener that takes ${isAsync ? 'its time' : 'at once'} what is its own, beside a pool for everything`, async (t) => {
    const app = await build(t, pool(), (one) => {
      one.server.on(
        'upgrade',
        isAsync
          ? async ({ url }, socket) => {
              await new Promise((resolve) => setTimeout(resolve, 20))
              if (url === '/own') take(socket as Socket)
            }
          : ({ url }, socket) => {
              if (url === '/own') take(socket as Socket)
            },
      )
    })
    assert.equal(await ask(app, '/own'), 'others')
    assert.equal(await ask(app, '/x'), REFUSED)
    const ours = await open(app, '/chat')
    assert.equal(ours.told, 'pool /chat')
    await ours.close()
  })
}

test('a server of ws with a path beside a pool for everything', async (t) => {
  for (const foreignUpgrades of [undefined, ['/feed']]) {
    const app = await build(t, pool({ foreignUpgrades }), (one) => {
      const feed = new WebSocketServer({ server: one.server, path: '/feed' })
      feed.on('connection', (socket) => socket.send('feed'))
      one.addHook('preClose', async () => {
        for (const client of feed.clients) client.terminate()
      })
    })
    const own = await open(app, '/feed')
    const ours = await open(app, '/chat')
    assert.deepEqual([own.told, ours.told], ['feed', 'pool /chat'])
    assert.equal(await ours.ask('hello'), 'pool hello')
    assert.equal(inFlight(app), 1)
    await Promise.all([own.close(), ours.close()])
    await settled(app)
  }
})

test('foreignUpgrades: those paths are for others alone, and no other path is', async (t) => {
  const heard: (string | undefined)[] = []
  const app = await build(t, pool({ foreignUpgrades: ['/feed/'] }), (one) => {
    // It would take whatever it is told of.
    one.server.on('upgrade', ({ url }, socket) => {
      heard.push(url)
      take(socket as Socket)
    })
  })
  assert.equal(await ask(app, '/feed'), 'others')
  assert.equal(await ask(app, '/feed/x?y'), 'others')
  const ours = await open(app, '/feeder')
  assert.equal(ours.told, 'pool /feeder')
  await ours.close()
  assert.deepEqual(heard, ['/feed', '/feed/x?y'])
})

test('under its prefix a pool is the owner, and others hear nothing of it', async (t) => {
  const heard: (string | undefined)[] = []
  const app = await build(
    t,
    (one) => {
      one.server.on('upgrade', ({ url }, socket) => {
        heard.push(url)
        take(socket as Socket)
      })
    },
    pool({ prefix: '/api' }),
  )
  const ours = await open(app, '/api/chat')
  assert.equal(ours.told, 'pool /chat')
  await ours.close()
  assert.equal(await ask(app, '/apiary'), 'others')
  assert.equal(await ask(app, '/%zz'), 'others')
  assert.deepEqual(heard, ['/apiary', '/%zz'])
})

test('constraints decide about upgrades, too', async (t) => {
  const app = await build(
    t,
    pool({ constraints: { host: 'pool.example' } }),
    pool({ name: 'two', prefix: '/api', methods: ['POST'] }),
    (one) => void one.server.on('upgrade', (_request, socket) => take(socket as Socket)),
  )
  assert.equal(await ask(app, '/x', 'other.example'), 'others')
  assert.equal(await ask(app, '/api/x', 'other.example'), 'others')
})

test('constraints that take their time leave a pool its upgrades', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  app.addConstraintStrategy({
    name: 'tenant',
    storage: () => {
      const kept = new Map()
      return {
        get: (key: string) => kept.get(key) ?? null,
        set: (key: string, value: unknown) => void kept.set(key, value),
      }
    },
    deriveConstraint: (_request: unknown, _context: unknown, done: (error: null, value: string) => void) =>
      setImmediate(done, null, 'a'),
  } as never)
  app.get('/tenant', { constraints: { tenant: 'a' } }, async () => 'a tenant')
  await pool({ prefix: '/api' })(app)
  app.server.on('upgrade', (_request, socket) => take(socket as Socket))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const ours = await open(app, '/api/chat')
  assert.equal(ours.told, 'pool /chat')
  await ours.close()
  assert.equal(await ask(app, '/own'), 'others')
  assert.equal((await call(`${app.listeningOrigin}/tenant`)).text, 'a tenant')
})

test('what is told at the start', async (t) => {
  const lines: string[] = []
  const log = { level: 'info', stream: { write: (line: string) => void lines.push(line) } }
  const listener: Setup = (app) => void app.server.on('upgrade', () => {})
  const told = async (...parts: Setup[]) => {
    const app = Fastify({ logger: log })
    for (const part of parts) await part(app)
    await app.listen({ port: 0, host: '127.0.0.1' })
    t.after(() => app.close())
    return lines.splice(0).some((line) => line.includes('foreignUpgrades'))
  }
  assert.equal(await told(pool(), listener), true)
  assert.equal(await told(pool({ foreignUpgrades: [] }), listener), false)
  assert.equal(await told(pool({ prefix: '/api' }), listener), false)
  assert.equal(await told(pool(), ownSockets), false)
  assert.equal(await told(pool()), false)
})

test('an app without others has the server that it had', async (t) => {
  const app = await build(t, pool())
  assert.equal(Object.hasOwn(app.server, 'emit'), false)
  const ours = await open(app, '/chat')
  assert.equal(ours.told, 'pool /chat')
  await ours.close()
})
