import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Balancer } from '../../../../src/balancer/balancer.js'
import type { Lease } from '../../../../src/balancer/leases/lease.js'
import { sharedPool } from '../../../support/pool-members.js'
import { seeded } from '../../../support/random.js'

const urls = (count: number) => Array.from({ length: count }, (_, i) => `http://b${i}:1`)
const noEjection = { ejectMaxPercent: 0, slowStart: 0 }

/** Ends a request on the backend with this number. */
function end(balancer: Balancer, number: number, outcome: 'ok' | 'failed'): void {
  const others = balancer.registry.list().filter((_, i) => i !== number)
  balancer.acquire(new Set(others)).release(outcome)
}

const share = (balancer: Balancer, number: number) => balancer.registry.list()[number]?.share()

test('failures in several workers add up to one success rate, as in one thread', (t) => {
  const { control, members, clock } = sharedPool(t, { members: 3, backends: urls(2), ...noEjection })
  for (const member of members) end(member, 0, 'failed')
  const expected = 0.75 ** 3
  for (const balancer of [control, ...members]) {
    assert.ok(Math.abs((share(balancer, 0) as number) - expected ** 3) < 1e-12)
    assert.equal(share(balancer, 1), 1)
  }
  end(members[1] as Balancer, 0, 'ok')
  const after = (expected + (1 - expected) * 0.25) ** 3
  for (const balancer of [control, ...members])
    assert.ok(Math.abs((share(balancer, 0) as number) - after) < 1e-12)
  clock.pass(60_000)
  for (const balancer of [control, ...members]) assert.equal(share(balancer, 0), 1)
})

test('a failure in one worker limits the backend in every worker, from its next choice on', (t) => {
  const { members } = sharedPool(t, { members: 4, backends: urls(4), ...noEjection })
  for (let i = 0; i < 5; i++) end(members[0] as Balancer, 2, 'failed')
  for (const member of members) {
    const chosen = Array.from({ length: 12 }, () => {
      const lease = member.acquire()
      lease.release('ok')
      return lease.backend.id
    })
    assert.equal(chosen.filter((id) => id === 'b2-1').length, 0, `${chosen}`)
  }
})

test('a share that grows again in one worker does so in every worker within 50 ms', (t) => {
  const { members, clock } = sharedPool(t, { members: 2, backends: urls(2), ...noEjection })
  const [failing, other] = members as [Balancer, Balancer]
  const tier = () => other.registry.list()[0]?.tier
  for (let i = 0; i < 5; i++) end(failing, 0, 'failed')
  end(other, 1, 'ok')
  assert.notEqual(tier(), 0)
  for (let i = 0; i < 40; i++) end(failing, 0, 'ok')
  assert.notEqual(tier(), 0)
  clock.pass(50)
  assert.equal(tier(), 0)
})

test('a worker that is started later knows of failures', (t) => {
  const { members, workers, join } = sharedPool(t, { members: 2, backends: urls(2), ...noEjection })
  for (let i = 0; i < 5; i++) end(members[0] as Balancer, 0, 'failed')
  members[1]?.close()
  workers[1]?.close()
  const { member } = join()
  const chosen = Array.from({ length: 8 }, () => member.acquire().backend.id)
  assert.ok(!chosen.slice(0, 4).includes('b0-1'), `${chosen}`)
})

test('no failure is missed where more than are kept happen between two choices', (t) => {
  const { members } = sharedPool(t, { members: 2, backends: urls(300), ...noEjection })
  const [failing, other] = members as [Balancer, Balancer]
  // Each of 299 backends fails, and the last one alone has its whole share.
  for (let i = 0; i < 299; i++) for (let n = 0; n < 5; n++) end(failing, i, 'failed')
  other.acquire().release('ok')
  const tiers = other.registry.list().map(({ tier }) => tier > 0)
  assert.equal(tiers.filter(Boolean).length, 299)
})

/**
 * Sends requests over all workers at random while one backend of four fails at once.
 * @returns the number of requests that failed
 */
function lost(t: TestContext, seed: number): number {
  const random = seeded(seed)
  const { members, clock } = sharedPool(t, {
    members: 4,
    backends: urls(4),
    ...noEjection,
    failureDecay: 1e8,
    random,
  })
  const pending: { lease: Lease; at: number }[] = []
  let failed = 0
  let sent = 0
  while (sent < 2000 || pending.length > 0) {
    while (sent < 2000 && pending.length < 20) {
      const lease = (members[Math.floor(random() * 4)] as Balancer).acquire()
      const isBad = lease.backend.id === 'b0-1'
      pending.push({ lease, at: clock.now() + (isBad ? 1 : 3) })
      sent++
    }
    pending.sort((a, b) => a.at - b.at)
    const { lease, at } = pending.shift() as { lease: Lease; at: number }
    clock.pass(Math.max(0, at - clock.now()))
    const isBad = lease.backend.id === 'b0-1'
    if (isBad) failed++
    lease.release(isBad ? 'failed' : 'ok')
  }
  return failed
}

test('2,000 requests over four workers while one of four backends fails at once: at most 10 are lost', (t) => {
  const counts = Array.from({ length: 10 }, (_, seed) => lost(t, seed + 1))
  t.diagnostic(`lost: ${counts}`)
  assert.ok(Math.max(...counts) <= 10, `${counts}`)
})
