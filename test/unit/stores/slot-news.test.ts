import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { RedisSlots } from '../../../src/stores/redis/slots.js'

/** A connection that answers each call for slots, and on which anybody may say anything. */
class PlayedConnection extends EventEmitter {
  readonly isAway = false
  readonly hearing = new Set<(message: string) => void>()
  /** Pools of calls by which a gateway leaves. */
  readonly left: unknown[] = []

  key(name: string): string {
    return name
  }

  async run(_script: unknown, _keys: unknown, [pool, , , , leaves]: readonly unknown[]): Promise<unknown> {
    if (leaves === 'leave') this.left.push(pool)
    return [1000, 0]
  }

  publish(): void {}

  subscribe(_channel: string, listener: (message: string) => void): () => void {
    this.hearing.add(listener)
    return () => this.hearing.delete(listener)
  }

  say(message: string): void {
    for (const listener of this.hearing) listener(message)
  }
}

function playedSlots() {
  const connection = new PlayedConnection()
  return { connection, slots: new RedisSlots(connection as never) }
}

test('news of slots is passed on, and what else is said on the channel is not', () => {
  const { connection, slots } = playedSlots()
  const heard: unknown[] = []
  slots.forPool('p').onNews((urls) => heard.push(urls))
  for (const message of [
    '',
    'null',
    '7',
    '[[1]]x',
    '{"pool":"p","urls":5}',
    '{"pool":"p"}',
    '{"pool":1,"urls":["http://a:1"]}',
    '{"pool":"q","urls":["http://a:1"]}',
  ])
    connection.say(message)
  assert.deepEqual(heard, [])
  connection.say('{"pool":"p","urls":[null,"http://a:1",{}]}')
  connection.say('{}')
  assert.deepEqual(heard, [['http://a:1'], undefined])
})

test('pools that have ended are not kept', async () => {
  const { connection, slots } = playedSlots()
  for (const name of ['a', 'b', 'c']) {
    const pool = slots.forPool(name)
    const end = pool.onNews(() => {})
    await pool.lease([])
    if (name !== 'c') end()
  }
  await slots.forPool('d').lease([])
  await slots.close()
  assert.deepEqual(connection.left, ['c', 'd'])
})
