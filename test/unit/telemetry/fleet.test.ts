import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastifyBaseLogger } from 'fastify'
import { Registry } from 'prom-client'
import { Balancer } from '../../../src/balancer/balancer.js'
import type { FleetStatus } from '../../../src/balancer/fleet/fleet-status.js'
import type { LocalKeeper } from '../../../src/balancer/state/local-keeper.js'
import { logFleet } from '../../../src/telemetry/fleet-log.js'
import { meter } from '../../../src/telemetry/metrics/meter.js'
import { TestClock } from '../../support/clock.js'
import { parseExposition } from '../../support/exposition.js'
import { playedStatus } from '../../support/played-fleet.js'

test('each change of the store and of the gateways is one line, whoever asks for it', () => {
  const { status, link, directory } = playedStatus(new TestClock())
  const lines: unknown[] = []
  const level = (name: string) => (fields: object) => lines.push({ level: name, ...fields })
  const log = { info: level('info'), warn: level('warn') } as unknown as FastifyBaseLogger
  logFleet(log, status)
  logFleet(log, status)
  link.go('the connection was closed')
  link.come()
  const two = directory.join('two')
  directory.emit('left', two, 'closed')
  directory.emit('left', two, 'silent')
  directory.emit('renamed', { id: 'one~x', wanted: 'one' })
  directory.emit('renamed', { id: 'one', wanted: 'one' })
  directory.emit('failed', new Error('OOM'))
  const store = 'redis://store:6379'
  assert.deepEqual(lines, [
    { level: 'warn', event: 'store away', store, reason: 'the connection was closed' },
    { level: 'info', event: 'store back', store },
    { level: 'info', event: 'gateway joined', gateway: 'two' },
    { level: 'info', event: 'gateway left', gateway: 'two' },
    { level: 'warn', event: 'gateway left', gateway: 'two' },
    { level: 'warn', event: 'gateway id taken', gateway: 'one~x', wanted: 'one' },
    { level: 'info', event: 'gateway id taken back', gateway: 'one' },
    { level: 'warn', event: 'gateway not announced', reason: 'OOM' },
  ])
})

function poolWith(status: FleetStatus | undefined): Balancer {
  const pool = new Balancer({
    backends: [
      { url: 'http://a:1', id: 'a', maxConnections: 8 },
      { url: 'http://b:1', id: 'b', maxConnections: 0 },
    ],
  })
  if (status) pool.keeper = { fleet: { status } } as LocalKeeper
  return pool
}

test('the metrics of a store are there once for all pools that share it, and go with the last', async () => {
  const clock = new TestClock()
  const { status, link, directory } = playedStatus(clock)
  directory.join('one')
  directory.join('two')
  link.go()
  clock.pass(1500)
  const registry = new Registry()
  const show = (name: string) => meter({ name, balancer: poolWith(status), registries: [registry] }).stop
  const [stopUsers, stopOrders] = [show('users'), show('orders')]
  const lines = async () => {
    const { samples } = parseExposition(await registry.metrics())
    return samples
      .filter(({ name }) => /_store_|_gateways|_slots/.test(name))
      .map(({ name, labels, value }) => [name, labels.pool ?? '', labels.backend ?? '', value])
  }
  const ofStore = [
    ['leastwise_gateways', '', '', 2],
    ['leastwise_store_up', '', '', 0],
    ['leastwise_store_failures_total', '', '', 1],
    ['leastwise_store_away_seconds_total', '', '', 1.5],
  ]
  const slots = (pool: string) => ['leastwise_backend_slots', pool, 'a', 8]
  assert.deepEqual(await lines(), [...ofStore, slots('users'), slots('orders')])
  stopUsers()
  assert.deepEqual(await lines(), [...ofStore, slots('orders')])
  stopOrders()
  assert.deepEqual(await lines(), [])
})

test('a pool that shares no store has no such metric', async () => {
  const registry = new Registry()
  meter({ name: 'users', balancer: poolWith(undefined), registries: [registry] })
  assert.doesNotMatch(await registry.metrics(), /leastwise_(store|gateways|backend_slots)/)
})
