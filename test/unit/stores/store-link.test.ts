import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Client } from '../../../src/stores/redis/client.js'
import { Link } from '../../../src/stores/redis/link.js'
import { TestClock } from '../../support/clock.js'

/** A client whose connection the test makes, or loses. */
class PlayedClient extends EventEmitter {
  isDisconnected = false
  connected = () => {}

  connect(): Promise<void> {
    return new Promise((resolve) => {
      this.connected = resolve
    })
  }

  disconnect(): void {
    this.isDisconnected = true
  }
}

function setUp(random = () => 1) {
  const clock = new TestClock()
  const clients: PlayedClient[] = []
  const events: string[] = []
  let check: () => Promise<void> = async () => {}
  const link = new Link(
    clock,
    {
      check: () => check(),
      up: () => events.push('up'),
      down: ({ why }) => events.push(why),
    },
    random,
  )
  link.open(() => {
    const client = new PlayedClient()
    clients.push(client)
    return client as unknown as Client
  })
  const last = () => clients.at(-1) as PlayedClient
  async function connect() {
    last().connected()
    await turn()
  }
  return { clock, clients, events, link, last, connect, setCheck: (next: typeof check) => (check = next) }
}

test('Pauses between connections grow, up to two seconds, and there is one connection at a time', () => {
  const { clock, clients, last } = setUp()
  for (const pause of [50, 100, 200, 400, 800, 1600, 2000, 2000]) {
    last().emit('end')
    assert.equal(last().isDisconnected, true)
    const before = clients.length
    clock.pass(pause - 1)
    assert.equal(clients.length, before, String(pause))
    clock.pass(1)
    assert.equal(clients.length, before + 1, String(pause))
  }
})

test('Gateways do not come back all at the same time', () => {
  const { clock, clients, last } = setUp(() => 0)
  last().emit('end')
  clock.pass(24)
  assert.equal(clients.length, 1)
  clock.pass(1)
  assert.equal(clients.length, 2)
})

test('A connection that lasts makes the pauses short again, and one that does not lets them grow', async () => {
  const { clock, clients, last, connect, link } = setUp()
  for (const [lasts, pause] of [
    [4999, 50],
    [4999, 100],
    [5000, 50],
  ] as const) {
    await connect()
    assert.ok(link.client)
    clock.pass(lasts)
    last().emit('end')
    assert.equal(link.client, undefined)
    const before = clients.length
    clock.pass(pause - 1)
    assert.equal(clients.length, before)
    clock.pass(1)
    assert.equal(clients.length, before + 1)
  }
})

test('The reason is the first error, and a connection that is not answered is given up', async () => {
  const { clock, events, last, connect, setCheck } = setUp()
  last().emit('error', new Error('WRONGPASS no'))
  last().emit('error', new Error('closed'))
  last().emit('end')
  clock.pass(50)
  clock.pass(8000)
  clock.pass(100)
  setCheck(() => Promise.reject(new Error('LOADING Redis is loading the dataset in memory')))
  await connect()
  assert.deepEqual(events, [
    'it refuses the user or the password (WRONGPASS)',
    'it did not answer for 8000 ms',
    'it is loading its data (LOADING)',
  ])
})

test('What becomes of a connection that was given up does not matter', async () => {
  const { clock, clients, events, link, connect } = setUp()
  await connect()
  link.fail(new Error('no answer'))
  clock.pass(50)
  await connect()
  clients[0]?.emit('error', new Error('late'))
  clients[0]?.emit('end')
  assert.deepEqual(events, ['up', 'no answer', 'up'])
  assert.equal(link.client, clients[1] as unknown)
})

test('Nothing is left once it is closed, in each state', async () => {
  for (const state of ['connecting', 'up', 'pause'] as const) {
    const { clock, link, last, clients, connect, events } = setUp()
    if (state === 'up') await connect()
    if (state === 'pause') last().emit('end')
    link.close()
    assert.equal(last().isDisconnected, true, state)
    assert.equal(clock.pending, 0, state)
    const before = events.length
    await connect()
    last().emit('end')
    clock.pass(10_000)
    assert.deepEqual([clients.length, events.length], [1, before], state)
  }
})
