import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../../src/balancer/balancer.js'
import { BackendExistsError, InvalidOptionError, UnknownPolicyError } from '../../../src/balancer/errors.js'

test('a policy is switched without losing a count', () => {
  const balancer = new Balancer({ backends: ['http://a:1', 'http://b:1'] })
  const leases = Array.from({ length: 5 }, () => balancer.acquire())
  const before = balancer.registry.list().map((backend) => backend.inFlight)
  balancer.policy = 'round-robin'
  assert.equal(balancer.selector.name, 'round-robin')
  assert.deepEqual(
    balancer.registry.list().map((backend) => backend.inFlight),
    before,
  )
  for (const lease of leases) lease.release('ok')
  assert.equal(balancer.registry.inFlight, 0)
})

test('an unknown policy is refused and the one in force stays', () => {
  const balancer = new Balancer()
  assert.throws(() => {
    balancer.policy = 'constructor'
  }, UnknownPolicyError)
  assert.equal(balancer.policy, 'least-connections')
  assert.throws(() => new Balancer({ policy: 'best' }), UnknownPolicyError)
})

test('options that cannot be meant are refused by name', () => {
  for (const [option, value] of [
    ['queueLimit', -1],
    ['slowStart', Number.NaN],
    ['ejectBase', Number.POSITIVE_INFINITY],
    ['queueTimeout', '5'],
    ['panic', 'on'],
  ] as const) {
    assert.throws(
      () => new Balancer({ [option]: value } as object),
      (error: Error) => error instanceof InvalidOptionError && error.message.includes(`"${option}"`),
    )
  }
})

test('backends are given as URLs or described', () => {
  const balancer = new Balancer({
    maxConnections: 10,
    backends: [
      'http://a:1',
      { url: 'http://b:1', maxConnections: 3 },
      { url: 'http://c:1', maxConnections: null },
    ],
  })
  assert.deepEqual(
    balancer.registry.list().map((backend) => backend.view().maxConnections),
    [10, 3, null],
  )
  assert.throws(() => new Balancer({ backends: ['http://a:1', 'http://a:1'] }), BackendExistsError)
})

test('round robin passes the turn on when its backend leaves', () => {
  const balancer = new Balancer({
    policy: 'round-robin',
    random: () => 0,
    backends: ['a', 'b', 'c', 'd'].map((id) => ({ url: `http://${id}:1`, id })),
  })
  const next = () => balancer.acquire().backend.id
  assert.deepEqual([next(), next()], ['a', 'b'])
  balancer.registry.drain('c')
  assert.deepEqual([next(), next()], ['d', 'a'])
  balancer.registry.drain('a')
  assert.deepEqual([next(), next(), next()], ['b', 'd', 'b'])
})
