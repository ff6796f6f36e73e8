import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../../src/balancer/balancer.js'
import { seeded } from '../../support/random.js'

const one = () => {
  const balancer = new Balancer({ backends: ['http://a:1'] })
  return {
    balancer,
    backend: balancer.registry.list()[0] as NonNullable<ReturnType<typeof balancer.selector.pick>>,
  }
}

test('a lease adds one and takes it off exactly once', () => {
  const { balancer, backend } = one()
  const lease = balancer.acquire()
  assert.equal(backend.inFlight, 1)
  assert.equal(lease.release('ok'), true)
  assert.equal(lease.release('ok'), false)
  assert.equal(lease.release('failed'), false)
  lease.cut(new Error('late'))
  assert.equal(backend.inFlight, 0)
  assert.deepEqual([backend.leases.total, backend.leases.failed], [1, 0])
})

test('a lease without work behind it is released by a cut', () => {
  const { balancer, backend } = one()
  balancer.acquire().cut(new Error('client left'))
  assert.equal(backend.inFlight, 0)
})

test('a cut tells whoever works on the lease, and leaves the release to it', () => {
  const { balancer, backend } = one()
  const lease = balancer.acquire()
  const reasons: Error[] = []
  lease.onCut = (reason) => reasons.push(reason)
  const reason = new Error('client left')
  lease.cut(reason)
  assert.deepEqual(reasons, [reason])
  assert.equal(backend.inFlight, 1, 'the backend still works on it')
  lease.release('cancelled')
  assert.equal(backend.inFlight, 0)
})

test('only failures count as failed', () => {
  const { balancer, backend } = one()
  balancer.acquire().release('failed')
  balancer.acquire().release('cancelled')
  balancer.acquire().release('ok')
  assert.deepEqual([backend.leases.total, backend.leases.failed], [3, 1])
})

test('cutAll ends every lease that is held, in whatever order the others were released', () => {
  const { balancer, backend } = one()
  const random = seeded(7)
  const held = Array.from({ length: 100 }, () => balancer.acquire())
  for (let i = 0; i < 60; i++) held.splice(Math.floor(random() * held.length), 1)[0]?.release('ok')
  assert.equal(backend.inFlight, 40)
  let cut = 0
  for (const lease of held) {
    lease.onCut = () => {
      cut++
      lease.release('cancelled')
    }
  }
  backend.leases.cutAll(new Error('removed'))
  assert.deepEqual([cut, backend.inFlight], [40, 0])
})

test('the count at choice includes the request itself', () => {
  const { balancer } = one()
  assert.deepEqual([balancer.acquire().inFlight, balancer.acquire().inFlight], [1, 2])
})

test('the oldest answer that is waited for stays the first, whatever becomes of the others', () => {
  const { balancer, backend } = one()
  const [a, b, c, d] = Array.from({ length: 4 }, () => balancer.acquire())
  for (const lease of [a, b, c, d]) lease?.prepare()
  assert.equal(backend.leases.awaitedSince, Number.POSITIVE_INFINITY)
  for (const [at, lease] of [c, a, d, b].entries()) lease?.dispatched(at)
  assert.equal(backend.leases.awaitedSince, 0)
  c?.sent(4)
  assert.equal(backend.leases.awaitedSince, 1)
  a?.uploading()
  assert.equal(backend.leases.awaitedSince, 2)
  d?.answered(5)
  b?.release('ok')
  assert.equal(backend.leases.awaitedSince, 4)
  a?.uploaded(6)
  c?.release('ok')
  assert.equal(backend.leases.awaitedSince, 6)
  const [late] = [balancer.acquire()]
  late?.prepare()
  assert.equal(backend.inFlight, 3)
  assert.equal(backend.leases.cutAll(new Error('removed')), 3)
  assert.deepEqual([backend.inFlight, backend.leases.awaitedSince], [0, undefined])
  // What comes after the end changes nothing.
  late?.dispatched(9)
  a?.sent(9)
  d?.prepare()
  assert.equal(backend.leases.awaitedSince, undefined)
})
