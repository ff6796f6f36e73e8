import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { RedisConnection } from '../../../src/stores/redis/connection.js'
import { RevisionWatch } from '../../../src/stores/redis/revision-watch.js'
import { TestClock } from '../../support/clock.js'

/** A connection to a store that has these revisions, by key. */
class PlayedConnection extends EventEmitter {
  isAway = false
  revisions: Record<string, string> = {}
  readonly asked: string[][] = []
  readonly listeners_ = new Map<string, (message: string) => void>()

  key(name: string): string {
    return `k:${name}`
  }

  async run(_script: unknown, keys: string[]): Promise<string[]> {
    this.asked.push(keys)
    return keys.map((key) => this.revisions[key] ?? '')
  }

  subscribe(channel: string, listener: (message: string) => void): () => void {
    this.listeners_.set(channel, listener)
    return () => this.listeners_.delete(channel)
  }
}

function setUp() {
  const clock = new TestClock()
  const connection = new PlayedConnection()
  const revisions = new RevisionWatch(connection as unknown as RedisConnection, clock)
  const heard: string[] = []
  const stop = ['a', 'b'].map((pool) =>
    revisions.watch(pool, `key ${pool}`, (revision) => heard.push(`${pool} ${revision}`)),
  )
  return { clock, connection, revisions, heard, stop }
}

test('The store is asked once a second for all pools together', async () => {
  const { clock, connection, heard } = setUp()
  connection.revisions = { 'key a': '1-x' }
  clock.pass(2000)
  await turn()
  assert.deepEqual(connection.asked, Array(2).fill(['key a', 'key b']))
  assert.deepEqual(heard, ['a 1-x', 'b ', 'a 1-x', 'b '])
})

test('It is asked at once when it is back, or messages were missed, and not while it is away', async () => {
  const { clock, connection } = setUp()
  connection.isAway = true
  clock.pass(3000)
  assert.equal(connection.asked.length, 0)
  connection.isAway = false
  connection.emit('back')
  connection.emit('missed')
  assert.equal(connection.asked.length, 2)
  clock.pass(999)
  assert.equal(connection.asked.length, 2)
  clock.pass(1)
  assert.equal(connection.asked.length, 3)
})

test('A message is for its pool, whatever the name of that', () => {
  const { connection, revisions, heard } = setUp()
  revisions.watch('a pool of two words', 'key', (revision) => heard.push(`two words ${revision}`))
  for (const pool of ['b', 'a pool of two words', 'c']) {
    connection.listeners_.get(revisions.channel)?.(revisions.messageOf(pool, '7-x'))
  }
  assert.deepEqual(heard, ['b 7-x', 'two words 7-x'])
})

test('Nothing is left once the last pool is not watched', async () => {
  const { clock, connection, heard, stop } = setUp()
  clock.pass(1000)
  stop[0]?.()
  await turn()
  assert.deepEqual(heard, ['b '])
  stop[1]?.()
  stop[1]?.()
  connection.emit('back')
  clock.pass(10_000)
  assert.equal(connection.asked.length, 1)
  assert.deepEqual([clock.pending, connection.listeners_.size, connection.listenerCount('back')], [0, 0, 0])
})
