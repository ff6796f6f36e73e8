import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FleetStatus } from '../../../../src/balancer/fleet/fleet-status.js'
import type { FleetChange } from '../../../../src/balancer/fleet/fleet-view.js'
import { defaultGatewayId } from '../../../../src/balancer/fleet/gateway-id.js'
import { TestClock } from '../../../support/clock.js'
import { playedStatus } from '../../../support/played-fleet.js'

function changesOf(status: FleetStatus): FleetChange[] {
  const changes: FleetChange[] = []
  status.on('change', (change) => changes.push(change))
  return changes
}

const told = (changes: FleetChange[]) =>
  changes.map((change) => (change.type === 'store' ? (change.store.away ? 'away' : 'back') : change.type))

test('a store that goes and comes back is told of, with the reason, and measured', () => {
  const clock = new TestClock()
  const { status, link } = playedStatus(clock)
  const changes = changesOf(status)
  assert.deepEqual(status.store(), { name: 'redis://store:6379', away: false, awaySince: null })
  clock.pass(1000)
  link.go('the connection was closed')
  clock.pass(500)
  assert.deepEqual(status.store(), {
    name: 'redis://store:6379',
    away: true,
    awaySince: new Date(1_700_000_001_000).toISOString(),
  })
  assert.deepEqual([status.failures, status.awayMs], [1, 500])
  link.come()
  clock.pass(5000)
  assert.deepEqual([status.failures, status.awayMs], [1, 500])
  assert.deepEqual(
    changes.map((change) => change.type === 'store' && [change.store.away, change.reason]),
    [
      [true, 'the connection was closed'],
      [false, null],
    ],
  )
})

test('what changes before somebody listens is told to the first who does', async () => {
  const { status, directory } = playedStatus(new TestClock())
  directory.emit('renamed', { id: 'edge~ab12', wanted: 'edge' })
  const changes = changesOf(status)
  const late = changesOf(status)
  await Promise.resolve()
  assert.deepEqual(told(changes), ['renamed'])
  directory.emit('joined', { id: 'other', lastSeen: '', inFlight: 0, self: false })
  assert.deepEqual(told(changes), ['renamed', 'joined'])
  assert.deepEqual(told(late), ['renamed', 'joined'])
})

test('a store that answers soon after the start was never away', () => {
  const clock = new TestClock()
  const { status, link } = playedStatus(clock, true)
  const changes = changesOf(status)
  clock.pass(100)
  link.come()
  clock.pass(60_000)
  assert.deepEqual([changes, status.failures, status.awayMs, status.store().away], [[], 0, 0, false])
})

test('a store that does not answer after the start is told of once, and so is that it has come', () => {
  const clock = new TestClock()
  const { status, link } = playedStatus(clock, true)
  const changes = changesOf(status)
  clock.pass(10_000)
  link.come()
  assert.deepEqual(told(changes), ['away', 'back'])
  assert.deepEqual([status.failures, status.awayMs], [1, 10_000])
})

test('a store that is found to be away after the start has gone away once, however late its connection says why', () => {
  const clock = new TestClock()
  const { status, link } = playedStatus(clock, true)
  const changes = changesOf(status)
  clock.pass(5000)
  link.go('it did not answer for 8000 ms')
  clock.pass(5000)
  link.come()
  assert.deepEqual(told(changes), ['away', 'back'])
  assert.deepEqual([status.failures, status.awayMs], [1, 10_000])
})

test('a store that comes and goes all the time is told of now and then, and as it is at last', () => {
  const clock = new TestClock()
  const { status, link } = playedStatus(clock)
  const changes = changesOf(status)
  for (let i = 0; i < 60; i++) {
    link.go()
    clock.pass(500)
    link.come()
    clock.pass(500)
  }
  link.go()
  assert.ok(changes.length <= 8, `${changes.length} changes in a minute`)
  assert.equal(status.failures, 61)
  clock.pass(60_000)
  assert.equal(told(changes).at(-1), 'away')
  const before = changes.length
  clock.pass(600_000)
  assert.equal(changes.length, before)
})

test('gateways that join, leave and are renamed are told of, many of them in part', () => {
  const clock = new TestClock()
  const { status, directory } = playedStatus(clock)
  const changes = changesOf(status)
  const two = directory.join('two')
  directory.emit('left', two, 'silent')
  directory.emit('renamed', { id: 'one~x', wanted: 'one' })
  assert.deepEqual(changes, [
    { type: 'joined', id: 'two' },
    { type: 'left', id: 'two', how: 'silent' },
    { type: 'renamed', id: 'one~x', wanted: 'one' },
  ])
  for (let i = 0; i < 100; i++) directory.join(`g${i}`)
  assert.equal(changes.length, 60)
  clock.pass(5000)
  directory.join('late')
  assert.deepEqual(changes.at(-1), { type: 'joined', id: 'late', untold: 43 })
})

test('nothing is told once the watch has ended, and no timer is left', () => {
  const clock = new TestClock()
  const { status, link } = playedStatus(clock, true)
  const changes = changesOf(status)
  status.close()
  clock.pass(10_000)
  link.come()
  link.go()
  assert.deepEqual([changes, clock.pending], [[], 0])
})

test('the id of a gateway that was given none is that of its host, and differs', () => {
  assert.equal(
    defaultGatewayId('web 1', () => 0.5),
    'web-1-i000',
  )
  assert.equal(
    defaultGatewayId('', () => 0),
    'gateway-0000',
  )
  const long = defaultGatewayId('a'.repeat(300), () => 0.999)
  assert.match(long, /^[A-Za-z0-9._~-]{64}$/)
})
