import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { createServer } from 'node:tls'
import { Cluster, Redis } from 'ioredis'
import type { RedisClient } from '../../src/stores/redis/client.js'
import { type RedisStore, redisStore } from '../../src/stores/redis/redis-store.js'
import { root } from '../support/process.js'
import { startSentinel } from '../support/redis-sentinel.js'
import { freeLowPort, RedisServer, withoutRedis } from '../support/redis-server.js'
import { until } from '../support/until.js'

const state = {
  version: 1,
  policy: { name: 'least-connections', configured: 'least-connections' },
  backends: [],
  removed: [],
} as const

const emptyState = () => ({ ...state, backends: [], removed: [] })

function storeOf(t: TestContext, target: string | RedisClient): RedisStore {
  const store = redisStore(target)
  t.after(() => store.close())
  return store
}

/** Saves, hears of it in another store, and loads. */
async function assertWorks(t: TestContext, target: string | RedisClient): Promise<RedisStore> {
  const [here, there] = [storeOf(t, target), storeOf(t, target)]
  const [one, other] = [here.forPool('users'), there.forPool('users')]
  const loaded = await one.load()
  await other.load()
  const heard = new Promise<void>((resolve) => {
    const stop = other.watch(() => {
      stop()
      resolve()
    })
  })
  const revision = await one.save(emptyState(), loaded?.revision)
  await heard
  assert.equal((await other.load())?.revision, revision)
  return here
}

async function startCluster(t: TestContext): Promise<RedisServer> {
  // By default the nodes of a cluster talk on a port that an outgoing connection may have.
  const port = String(await freeLowPort())
  const settings = ['enabled', 'yes', 'announce-ip', '127.0.0.1', 'node-timeout', '100', 'port', port]
  const args = settings.map((word, i) => (i % 2 === 0 ? `--cluster-${word}` : word))
  const server = await RedisServer.start(t, ...args)
  await server.command('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
  await until(
    () => server.command('CLUSTER', 'INFO'),
    (info) => info.includes('cluster_state:ok'),
  )
  return server
}

describe('A store is reached', { skip: withoutRedis, concurrency: true }, () => {
  test('in a cluster, also after the cluster was down', async (t) => {
    const server = await startCluster(t)
    const { connection } = await assertWorks(t, `${server.url}?cluster=true`)
    const away = once(connection, 'away')
    await server.command('CLUSTER', 'DELSLOTSRANGE', '0', '16383')
    await away
    const back = once(connection, 'back')
    await server.command('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
    await back
  })

  test('by Sentinels, also where they name another server', async (t) => {
    const first = await RedisServer.start(t)
    const second = await RedisServer.start(t)
    const sentinel = await startSentinel(t, first)
    const url = `redis://127.0.0.1:1,127.0.0.1:${sentinel.port}?sentinel=mymaster`
    const { connection } = await assertWorks(t, url)
    await sentinel.command('SENTINEL', 'REMOVE', 'mymaster')
    const away = once(connection, 'away')
    await first.kill()
    await away
    const back = once(connection, 'back')
    await sentinel.command('SENTINEL', 'MONITOR', 'mymaster', '127.0.0.1', String(second.port), '1')
    await back
    assert.equal(await second.command('EXISTS', '{leastwise}:pool:users'), ':0\r\n+OK\r\n')
  })

  test("with an app's client, which stays as it is", async (t) => {
    const server = await RedisServer.start(t)
    const client = new Redis(server.port, { keyPrefix: 'app:', lazyConnect: true })
    t.after(() => client.disconnect())
    const store = await assertWorks(t, client)
    assert.equal(store.name, `the store redis://localhost:${server.port}`)
    await store.close()
    assert.equal(client.status, 'wait')
    await client.set('x', '1')
    assert.match(await server.command('KEYS', '*'), /app:x/)
    assert.equal(await client.exists('{leastwise}:pool:users'), 0)
    assert.equal(await server.command('EXISTS', '{leastwise}:pool:users'), ':1\r\n+OK\r\n')
  })

  test("with an app's client of a cluster", async (t) => {
    const server = await startCluster(t)
    const client = new Cluster([{ host: '127.0.0.1', port: server.port }])
    t.after(() => client.disconnect())
    await assertWorks(t, client)
  })

  test('with TLS, where its certificate is trusted', async (t) => {
    const server = await RedisServer.start(t)
    const read = (name: string) => readFileSync(join(root, `test/fixtures/localhost.${name}.pem`))
    const front = createServer({ cert: read('cert'), key: read('key') }, (socket) => {
      const target = connect(server.port, '127.0.0.1')
      for (const end of [socket, target]) end.on('error', () => {})
      socket.pipe(target).pipe(socket)
    })
    front.on('tlsClientError', () => {})
    t.after(() => front.close())
    await once(front.listen(0, '127.0.0.1'), 'listening')
    const { port } = front.address() as AddressInfo
    await assert.rejects(storeOf(t, `rediss://localhost:${port}`).load(), /certificate/)
    const client = new Redis({ host: 'localhost', port, tls: { ca: read('cert') }, lazyConnect: true })
    await assertWorks(t, client)
  })

  test('in another database, under another prefix', async (t) => {
    const server = await RedisServer.start(t)
    await assertWorks(t, `${server.url}/3?prefix=edge`)
    assert.match(await server.command('PUBSUB', 'CHANNELS'), /\{edge\}:echo/)
    assert.match(await server.command('INFO', 'keyspace'), /db3:keys=/)
  })

  test('by a user with the permissions of the documentation, and no others', async (t) => {
    const server = await RedisServer.start(t)
    const page = readFileSync(join(root, 'docs/reference/store.md'), 'utf8')
    const [, line = ''] = /^ACL SETUSER (.*)$/m.exec(page) ?? []
    await server.command('ACL', 'SETUSER', ...line.replace('>PASSWORD', '>right').split(' '))
    const folder = join(root, 'src/stores/redis')
    for (const name of readdirSync(folder)) {
      for (const [, command = ''] of readFileSync(join(folder, name), 'utf8').matchAll(
        /redis\.p?call\('(\w+)'/g,
      )) {
        assert.ok(line.split(' ').includes(`+${command.toLowerCase()}`), `${name}: ${command}`)
      }
    }
    const url = `redis://leastwise:right@127.0.0.1:${server.port}`
    const store = await assertWorks(t, url)
    await store.rateLimits.increment('a', 1000)
    const slot = { url: 'http://a.test', limit: 2, held: 0, needed: 0, wanted: 1 }
    assert.equal((await store.forPool('users').fleet.slots.lease([slot]))[0]?.url, slot.url)
    await until(
      () => server.command('HKEYS', '{leastwise}:gateways'),
      (announced) => announced.includes(store.gateways.id),
    )
    await server.command('ACL', 'SETUSER', 'leastwise', '-publish')
    const refused = storeOf(t, url)
    await assert.rejects(refused.load(), /the user may not do this.*NOPERM/)
  })
})
