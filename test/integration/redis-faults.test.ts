import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { systemClock } from '../../src/balancer/time/clock.js'
import { RedisConnection, StoreAwayError } from '../../src/stores/redis/connection.js'
import { Script } from '../../src/stores/redis/script.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'
import { TcpProxy } from '../support/tcp-proxy.js'
import { until } from '../support/until.js'

const add = new Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")

/** Opens a connection, and notes what it says. */
async function opened(t: TestContext, url: string) {
  const connection = await RedisConnection.open(url, systemClock)
  t.after(() => connection.close())
  const events: string[] = []
  connection.on('away', ({ why }) => events.push(`away: ${why}`))
  connection.on('back', () => events.push('back'))
  connection.on('missed', () => events.push('missed'))
  return { connection, events, count: () => connection.run(add, [connection.key('n')], [1]) }
}

async function there(t: TestContext, url: string) {
  const found = await opened(t, url)
  await once(found.connection, 'back')
  return found
}

describe('A store with faults', { concurrency: true, skip: withoutRedis }, () => {
  test('A server that stands still is away, and what is asked then fails at once', async (t) => {
    const server = await RedisServer.start(t)
    const proxy = await TcpProxy.start(t, server.port)
    const { connection, events, count } = await there(t, proxy.url)
    server.signal('SIGSTOP')
    const [error] = (await once(connection, 'away')) as [StoreAwayError]
    assert.match(error.message, /did not answer for 2000 ms/)
    await assert.rejects(count(), StoreAwayError)
    // Each connection that is tried is answered when the server goes on, so there is no need for many of them.
    const before = proxy.connections
    server.signal('SIGCONT')
    await once(connection, 'back')
    assert.ok(proxy.connections - before <= 4, String(proxy.connections - before))
    assert.equal(await count(), 1)
    assert.equal(events.length, 3)
  })

  test('A link that swallows everything is noticed, and another connection is made', async (t) => {
    const server = await RedisServer.start(t)
    const proxy = await TcpProxy.start(t, server.port)
    const { connection, count } = await there(t, proxy.url)
    await count()
    proxy.isHole = true
    const lost = assert.rejects(
      count(),
      (error: StoreAwayError) => error instanceof StoreAwayError && error.mayBeDone,
    )
    await once(connection, 'away')
    await lost
    proxy.isHole = false
    await once(connection, 'back')
    assert.ok(((await count()) as number) >= 2)
  })

  test('Connections that break are made again', async (t) => {
    const server = await RedisServer.start(t)
    const proxy = await TcpProxy.start(t, server.port)
    const { connection, count } = await there(t, proxy.url)
    for (let i = 1; i <= 5; i++) {
      const back = once(connection, 'back')
      proxy.cut()
      await back
      assert.equal(await count(), i)
    }
  })

  test('Where only the connection for messages breaks, the store is not away', async (t) => {
    const server = await RedisServer.start(t)
    const { connection, events, count } = await there(t, server.url)
    const heard: string[] = []
    connection.subscribe(connection.key('news'), (message) => heard.push(message))
    const missed = once(connection, 'missed')
    await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    assert.equal(await count(), 1)
    await missed
    connection.publish(connection.key('news'), 'after')
    await until(
      () => heard.length,
      (length) => length === 1,
    )
    assert.deepEqual(events, ['back', 'missed'])
  })

  test('Where messages cannot be had for long, the store is away', async (t) => {
    const server = await RedisServer.start(t)
    const { connection, count } = await there(t, server.url)
    await server.command('ACL', 'SETUSER', 'default', '-subscribe')
    const away = once(connection, 'away')
    await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    assert.equal(await count(), 1)
    assert.match(((await away) as Error[])[0]?.message as string, /the user may not do this \(NOPERM/)
    const back = once(connection, 'back')
    await server.command('ACL', 'SETUSER', 'default', '+subscribe')
    await back
  })

  test('A listener that throws harms no one', async (t) => {
    const server = await RedisServer.start(t)
    const { connection } = await there(t, server.url)
    const warned = once(process, 'warning')
    const channel = connection.key('news')
    connection.subscribe(channel, () => {
      throw new Error('of a listener')
    })
    const heard = new Promise((resolve) => connection.subscribe(channel, resolve))
    connection.publish(channel, 'x')
    assert.equal(await heard, 'x')
    assert.equal(((await warned) as Error[])[0]?.message, 'of a listener')
  })

  test('A server that forgot its scripts is sent them again', async (t) => {
    const server = await RedisServer.start(t)
    const { events, count } = await there(t, server.url)
    await count()
    await server.command('SCRIPT', 'FLUSH')
    assert.equal(await count(), 2)
    assert.deepEqual(events, ['back'])
  })

  test('A store that loads its data is away until it has loaded it', async (t) => {
    // Microseconds for each key. Connections are served after each 1,024 keys while it loads.
    const slow = ['--key-load-delay', '300']
    const server = await RedisServer.start(t, '--appendonly', 'yes', ...slow)
    const { connection, count } = await there(t, server.url)
    assert.equal(await count(), 1)
    const fill = "for i = 1, 5000 do redis.call('SET', 'of somebody else ' .. i, '') end"
    await server.command('EVAL', fill, '0')
    const away = once(connection, 'away')
    await server.kill()
    await away
    const started = server.start()
    await until(
      () => connection.reason?.why ?? '',
      (why) => why === 'it is loading its data (LOADING)',
    )
    await started
    if (connection.isAway) await once(connection, 'back')
    assert.equal(await count(), 2)
  })

  test('A store that became a replica is away until it takes changes', async (t) => {
    const server = await RedisServer.start(t)
    const { connection, count } = await there(t, server.url)
    const away = once(connection, 'away')
    await server.command('REPLICAOF', '127.0.0.1', '1')
    assert.match(((await away) as Error[])[0]?.message as string, /it is a replica.*\(READONLY\)/)
    const back = once(connection, 'back')
    await server.command('REPLICAOF', 'NO', 'ONE')
    await back
    assert.equal(await count(), 1)
  })

  test('A store out of memory, or that cannot write its disk, refuses changes in words', async (t) => {
    const server = await RedisServer.start(t, '--save', '1000 1000', '--maxmemory-policy', 'noeviction')
    const { events, count } = await there(t, server.url)
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    await assert.rejects(count(), { message: 'it is out of memory (maxmemory), and takes no changes (OOM)' })
    await server.command('CONFIG', 'SET', 'maxmemory', '0')
    assert.equal(await count(), 1)
    // The file of a snapshot cannot be replaced where its name is that of a folder.
    const [, , , , folder = ''] = (await server.command('CONFIG', 'GET', 'dir')).split('\r\n')
    await mkdir(join(folder, 'dump.rdb'))
    await server.command('BGSAVE')
    await until(
      () => server.command('INFO', 'persistence'),
      (info) => info.includes('last_bgsave_status:err'),
    )
    await assert.rejects(count(), { message: 'it cannot write to its disk, and takes no changes (MISCONF)' })
    await rmdir(join(folder, 'dump.rdb'))
    await server.command('BGSAVE')
    await until(
      () => server.command('INFO', 'persistence'),
      (info) => info.includes('last_bgsave_status:ok'),
    )
    assert.equal(await count(), 2)
    assert.deepEqual(events, ['back'])
  })

  test('A wrong password, and none, are said without the password', async (t) => {
    const server = await RedisServer.start(t)
    await server.command('CONFIG', 'SET', 'requirepass', 'right-one')
    for (const [login, why] of [
      ['', /wants a password \(NOAUTH\)/],
      [':wrong-one@', /refuses the user or the password \(WRONGPASS\)/],
      ['ann:wrong-one@', /refuses the user or the password \(WRONGPASS\)/],
    ] as [string, RegExp][]) {
      const { connection } = await opened(t, `redis://${login}127.0.0.1:${server.port}`)
      await assert.rejects(connection.ready(), (error: Error) => {
        assert.match(error.message, why)
        assert.doesNotMatch(error.message, /wrong-one/)
        return true
      })
    }
    const { connection } = await opened(t, `redis://:right-one@127.0.0.1:${server.port}`)
    await connection.ready()
  })

  test('A store that is not there is told of once, with the reason', async (t) => {
    const closed = await RedisServer.start(t)
    await closed.kill()
    const { connection, events } = await opened(t, closed.url)
    await assert.rejects(connection.ready(), /ECONNREFUSED/)
    await assert.rejects(connection.ready(), /ECONNREFUSED/)
    const back = once(connection, 'back')
    await closed.start()
    await back
    assert.deepEqual(events.length, 2)
    const nowhere = await opened(t, 'redis://nowhere.invalid')
    await assert.rejects(nowhere.connection.ready(), /nowhere\.invalid/)
  })
})
