import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../../src/balancer/balancer.js'
import type { BalancerOptions } from '../../../src/balancer/options.js'
import { policyNames } from '../../../src/balancer/selection/policies/index.js'
import { TestClock } from '../../support/clock.js'

function pool(options: BalancerOptions = {}) {
  const clock = new TestClock()
  const balancer = new Balancer({
    clock,
    ejectConsecutive: 1,
    backends: [
      { url: 'http://a:1', id: 'a' },
      { url: 'http://b:1', id: 'b' },
      { url: 'http://x:1', id: 'x', backup: true },
      { url: 'http://y:1', id: 'y', backup: true },
    ],
    ...options,
  })
  const { registry } = balancer
  const one = (...ids: string[]) => new Set(ids.map((id) => registry.get(id)))
  /** Who gets so many requests that nobody is done with. */
  const chosen = (count = 8) => {
    const leases = Array.from({ length: count }, () => balancer.acquire())
    for (const lease of leases) lease.release('cancelled')
    return [...new Set(leases.map(({ backend }) => backend.id))].sort().join('')
  }
  return { clock, balancer, registry, one, chosen }
}

for (const policy of policyNames) {
  test(`${policy}: backups are used only while no other backend is usable`, () => {
    const { registry, chosen } = pool({ policy })
    assert.equal(chosen(), 'ab')
    registry.setHealth('a', 'unhealthy')
    assert.equal(chosen(), 'b')
    registry.drain('b')
    assert.equal(chosen(), 'xy')
    registry.setHealth('a', 'healthy')
    assert.equal(chosen(), 'a', 'at once, although it is in slow start')
  })
}

test('a usable backup is better than an ejected backend; panic ignores the health of the others first', () => {
  const { registry, chosen } = pool()
  const [a, b] = [registry.get('a'), registry.get('b')]
  registry.eject(a, 1000)
  registry.eject(b, 1000)
  assert.equal(chosen(), 'xy')
  assert.equal(registry.panicking, false)
  registry.eject(registry.get('x'), 1000)
  registry.eject(registry.get('y'), 1000)
  assert.equal(chosen(), 'ab')
  assert.equal(registry.panicking, true)
  registry.setHealth('a', 'unhealthy')
  registry.setHealth('b', 'unhealthy')
  assert.equal(chosen(), 'xy')
})

test('full backends are usable: requests wait for them and not for a backup', () => {
  const { balancer, registry } = pool({ maxConnections: 1 })
  balancer.acquire()
  balancer.acquire()
  assert.throws(() => balancer.acquire(), { code: 'LEASTWISE_ALL_FULL' })
  assert.equal(registry.get('x').inFlight, 0)
})

test('requests that waited go to the backups when the last other backend is lost', async () => {
  const { balancer, registry } = pool({ maxConnections: 1 })
  balancer.acquire()
  balancer.acquire()
  const waiting = balancer.acquireInTurn()
  registry.setHealth('a', 'unhealthy')
  registry.setHealth('b', 'unhealthy')
  assert.equal((await waiting).backend.backup, true)
})

test('a retry goes to a backup once the request has failed on every other backend', () => {
  const { balancer, registry, one } = pool()
  assert.equal(balancer.acquire(one('a')).backend.id, 'b')
  assert.equal(balancer.hasRoom(one('a', 'b')), true)
  const first = balancer.acquire(one('a', 'b')).backend
  const second = balancer.acquire(one('a', 'b')).backend
  assert.deepEqual([first.id, second.id].sort(), ['x', 'y'], 'the less loaded one')
  assert.equal(balancer.acquire(one('a', 'b', 'x')).backend.id, 'y')
  assert.throws(() => balancer.acquire(one('a', 'b', 'x', 'y')), { code: 'LEASTWISE_NO_BACKEND' })
  registry.update('b', { maxConnections: 1 })
  assert.equal(balancer.hasRoom(one('a')), false)
  assert.throws(() => balancer.acquire(one('a')), { code: 'LEASTWISE_ALL_FULL' }, 'it waits for b')
})

test('a retry waits for a backup that is full', async () => {
  const { balancer, registry, one } = pool({ maxConnections: 1 })
  registry.remove('y', { force: true })
  const held = balancer.acquire(one('a', 'b'))
  const got = new Promise((resolve, reject) => {
    balancer.lease({
      except: one('a', 'b'),
      again: true,
      onLease: ({ backend }) => resolve(backend.id),
      onReject: reject,
    })
  })
  held.release('ok')
  assert.equal(await got, 'x')
})

test('a hedge does not go to a backup', () => {
  const { balancer, one } = pool()
  assert.equal(balancer.leaseForHedge(one('a', 'b')), undefined)
})

test('an ejected backup is probed only where backups are used', () => {
  const { balancer, registry, clock, chosen } = pool({ ejectBase: 1000, ejectMaxPercent: 100 })
  registry.setHealth('a', 'unhealthy')
  registry.setHealth('b', 'unhealthy')
  const failing = balancer.acquire()
  failing.release('failed')
  assert.equal(failing.backend.health, 'ejected')
  registry.setHealth('a', 'healthy')
  clock.pass(1000)
  assert.equal(chosen(), 'a')
  registry.setHealth('a', 'unhealthy')
  assert.equal(balancer.acquire().backend, failing.backend)
})

test('one backend alone can be ejected in favour of a backup', () => {
  const { balancer, chosen } = pool({
    backends: [
      { url: 'http://a:1', id: 'a' },
      { url: 'http://x:1', id: 'x', backup: true },
    ],
  })
  balancer.acquire().release('failed')
  assert.equal(chosen(), 'x')
})

test('whether a backend is a backup can be changed, and applies at once', () => {
  const { registry, chosen } = pool()
  registry.update('x', { backup: false })
  assert.equal(chosen(), 'abx')
  registry.update('a', { backup: true })
  registry.update('b', { backup: true })
  assert.equal(chosen(), 'x')
})

test('an explanation says which backend is a backup, and which would be used after failures', () => {
  const { balancer, one } = pool()
  const reasons = ({ backends }: ReturnType<typeof balancer.explain>) =>
    Object.fromEntries(backends.map(({ id, reason, available }) => [id, available ? 'available' : reason]))
  assert.equal(reasons(balancer.explain()).x, 'backup: used where no other backend is usable')
  const { backend, why, outcome, backends } = balancer.explain({ except: one('a', 'b') })
  assert.deepEqual([backend, outcome], ['x', 'choice'])
  assert.match(why, /x is a backup, and every other backend has failed the request/)
  const chosen = backends.find(({ id }) => id === 'x')
  assert.deepEqual([chosen?.available, chosen?.probability, chosen?.eligible], [true, 1, false])
})
