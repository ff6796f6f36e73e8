import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastifyRequest } from 'fastify'
import { Balancer } from '../../../src/balancer/balancer.js'
import type { KeyTraits } from '../../../src/balancer/leases/lease-request.js'
import { Split } from '../../../src/pool/split.js'
import { peerOf } from '../../../src/proxy/http/peer.js'
import type { RouteTarget } from '../../../src/proxy/route-target.js'
import { TestClock } from '../../support/clock.js'
import { seeded } from '../../support/random.js'

const PEER = peerOf({ remoteAddress: '127.0.0.1' })
const KEYS = Array.from({ length: 10_000 }, (_, i) => `client-${i}`)

interface Asked extends KeyTraits {
  /** The pool that set the client's cookie. */
  pool?: string
}

/** A pool whose requests carry their key and the pool of their cookie themselves. */
function targetOf(pool: string, hasKeys: boolean, balancer = new Balancer({ backends: ['http://a:1'] })) {
  const affinity = {
    keyOf(request: FastifyRequest): KeyTraits | undefined {
      const { key, pool: own } = request as unknown as Asked
      return key === undefined ? undefined : { key, home: own === pool ? 1 : undefined }
    },
    strip() {},
    addTo() {},
  }
  return { pool, balancer, affinity: hasKeys ? affinity : undefined } as unknown as RouteTarget
}

function splitOf(weights: Record<string, number>, { hasKeys = true, seed = 1, balancers = {} } = {}) {
  const targets = Object.entries(weights).map(([pool, weight]) => ({
    target: targetOf(pool, hasKeys, (balancers as Record<string, Balancer>)[pool]),
    weight,
  }))
  const split = new Split(targets, seeded(seed))
  return (asked: Asked = {}) => split.choose(asked as unknown as FastifyRequest, PEER).pool
}

function counted(pools: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const pool of pools) counts[pool] = (counts[pool] ?? 0) + 1
  return counts
}

/** Asserts that a count is within 4 standard deviations of its part of all. */
function assertPart(count: number | undefined, all: number, part: number): void {
  const deviation = Math.sqrt(all * part * (1 - part))
  assert.ok(Math.abs((count ?? 0) - all * part) <= 4 * deviation, `${count} of ${all} is not ${part}`)
}

test('without a key each request is drawn by weight, and a weight of 0 gets nothing', () => {
  for (const hasKeys of [false, true]) {
    const choose = splitOf({ none: 0, users: 90, next: 9, third: 1, last: 0 }, { hasKeys })
    const counts = counted(KEYS.map(() => choose()))
    assertPart(counts.users, KEYS.length, 0.9)
    assertPart(counts.next, KEYS.length, 0.09)
    assertPart(counts.third, KEYS.length, 0.01)
    assert.equal(Object.keys(counts).length, 3)
  }
})

test('a key keeps its pool, whatever the order of the pools, and keys are split by weight', () => {
  const choose = splitOf({ users: 90, next: 10 })
  const again = splitOf({ next: 10, users: 90 }, { seed: 2 })
  const pools = KEYS.map((key) => choose({ key }))
  assert.deepEqual(
    KEYS.map((key) => again({ key })),
    pools,
  )
  assertPart(counted(pools).next, KEYS.length, 0.1)
})

test('where one weight changes, keys move only to this pool or away from it, and no more than have to', () => {
  const moves = (before: Record<string, number>, after: Record<string, number>) => {
    const [one, other] = [splitOf(before), splitOf(after)]
    const moved = KEYS.map((key) => `${one({ key })} ${other({ key })}`).filter((move) => {
      const [from, to] = move.split(' ')
      return from !== to
    })
    return counted(moved)
  }
  const up = moves({ users: 90, next: 10 }, { users: 80, next: 20 })
  assert.deepEqual(Object.keys(up), ['users next'])
  assertPart(up['users next'], KEYS.length, 0.1)
  assert.deepEqual(Object.keys(moves({ users: 80, next: 20 }, { users: 90, next: 10 })), ['next users'])
  assert.deepEqual(Object.keys(moves({ users: 100, next: 0 }, { users: 100, next: 25 })), ['users next'])
  const three = moves({ a: 50, b: 30, c: 20 }, { a: 50, b: 30, c: 40 })
  assert.deepEqual(Object.keys(three).sort(), ['a c', 'b c'])
})

test("a client's cookie keeps it in the pool that set it, as long as the pool has a weight", () => {
  const keys = KEYS.slice(0, 200)
  for (const pool of ['users', 'next']) {
    const choose = splitOf({ users: 99, next: 1 })
    for (const key of keys) assert.equal(choose({ key, pool }), pool)
  }
  const over = splitOf({ users: 100, next: 0 })
  for (const key of keys) assert.equal(over({ key, pool: 'next' }), 'users')
  // The cookie of a pool that is not one of these is a key like any other.
  const choose = splitOf({ users: 50, next: 50 })
  for (const key of keys) assert.equal(choose({ key, pool: 'third' }), choose({ key }))
})

test('a pool without a usable backend is passed over, and its keys come back with it', () => {
  const balancers = Object.fromEntries(
    ['users', 'next', 'third'].map((pool) => [pool, new Balancer({ backends: [`http://${pool}:1`] })]),
  )
  const weights = { users: 60, next: 20, third: 20 }
  const choose = splitOf(weights, { balancers })
  const before = KEYS.map((key) => choose({ key }))
  const { registry } = balancers.next as Balancer
  const id = registry.list()[0]?.id as string
  registry.setHealth(id, 'unhealthy')
  const counts = counted(KEYS.map(() => choose()))
  assertPart(counts.users, KEYS.length, 0.75)
  assertPart(counts.third, KEYS.length, 0.25)
  assert.equal(choose({ key: 'k', pool: 'next' }) === 'next', false)
  for (const [i, key] of KEYS.entries()) {
    const now = choose({ key })
    assert.notEqual(now, 'next')
    // The others stay where they are.
    if (before[i] !== 'next') assert.equal(now, before[i])
  }
  registry.setHealth(id, 'healthy')
  assert.deepEqual(
    KEYS.map((key) => choose({ key })),
    before,
  )
})

test('where no pool has a usable backend, a request goes where it would go otherwise', () => {
  const weights = { users: 50, next: 50 }
  const balancers = { users: new Balancer(), next: new Balancer() }
  const [choose, well] = [splitOf(weights, { balancers }), splitOf(weights)]
  for (const key of KEYS.slice(0, 200)) assert.equal(choose({ key }), well({ key }))
  assertPart(counted(KEYS.map(() => choose())).users, KEYS.length, 0.5)
})

test('a pool whose backends were all ejected gets a request once one of them may be tried', () => {
  const clock = new TestClock()
  const next = new Balancer({
    backends: ['http://b:1'],
    clock,
    ejectConsecutive: 1,
    ejectMaxPercent: 100,
    ejectBase: 1000,
  })
  const balancers = { users: new Balancer({ backends: ['http://a:1'] }), next }
  const choose = splitOf({ users: 1, next: 1_000_000 }, { balancers })
  const fail = () => {
    assert.equal(choose({ key: 'k' }), 'next')
    const lease = next.acquire()
    lease.dispatched(clock.now())
    lease.release('failed')
  }
  fail()
  assert.equal(next.registry.list()[0]?.health, 'ejected')
  assert.equal(choose({ key: 'k' }), 'users')
  assert.equal(choose(), 'users')
  clock.pass(2000)
  fail()
  assert.equal(choose({ key: 'k' }), 'users')
  next.close()
})
