import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { InvalidBackendError, openBalancer } from '../../../src/balancer/index.js'
import { logChanges } from '../../../src/telemetry/change-log.js'
import { TestClock } from '../../support/clock.js'
import { SharedStore } from '../../support/shared-store.js'

test('the log says how a pool is in line with a store that others share', async () => {
  const lines: string[] = []
  const level = (name: string) => (fields: { event?: string; pool?: string; reason?: string }) => {
    assert.equal(fields.pool, 'users')
    if (/st[oae]|step/.test(String(fields.event)))
      lines.push(`${name} ${fields.event} ${fields.reason ?? ''}`.trim())
  }
  const log = {
    info: level('info'),
    warn: level('warn'),
    error: level('error'),
  } as unknown as FastifyBaseLogger
  const settled = async () => {
    for (let i = 0; i < 20; i++) await setImmediate()
  }
  const shared = new SharedStore()
  const clock = new TestClock()
  const other = await openBalancer({ clock }, shared.gateway())
  const store = shared.gateway()
  store.isAway = true
  let isThere = false
  const verifyTls = () => {
    if (!isThere) throw new InvalidBackendError('ca', 'cannot be read')
  }
  const balancer = await openBalancer({ clock, verifyTls }, store)
  logChanges(log, balancer, 'users')
  store.comeBack()
  await settled()
  assert.deepEqual(lines.splice(0), ['warn store away at start it does not answer', 'info store joined'])
  const add = (id: string, ca?: string) =>
    other.keeper?.change(
      { kind: 'add', backend: { url: `https://${id}:1`, id, ca } },
      { answer: () => undefined },
    )
  await add('a', 'ca.pem')
  await settled()
  assert.deepEqual(lines.splice(0), ['error out of step ca cannot be read'])
  isThere = true
  await add('b')
  await settled()
  assert.deepEqual(lines.splice(0), ['info in step'])
  shared.content = undefined
  store.told()
  await settled()
  assert.deepEqual(lines.splice(0), ['warn state restored'])
  store.refusal = new Error('OOM')
  balancer.registry.update('a', { weight: 2 })
  await settled()
  // One that begins to log later says what is wrong by then.
  logChanges(log, balancer, 'users')
  assert.deepEqual(lines.splice(0), ['error state not saved', 'error state not saved'])
  store.refusal = undefined
  clock.pass(5000)
  await settled()
  assert.deepEqual(lines, ['info state saved', 'info state saved'])
})
