import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ResponseTime } from '../../../src/balancer/stats/response-time.js'

const idle = undefined
/** Milliseconds after which a slow response counts for a third. */
const DECAY_MS = 5000

test('a backend without history gets a single request at first', () => {
  const time = new ResponseTime()
  assert.equal(time.estimate(0, idle), 0)
  assert.equal(time.estimate(5, 0), Number.POSITIVE_INFINITY)
  time.add(20, 20)
  assert.equal(time.estimate(20, idle), 20)
  time.forget()
  assert.equal(time.estimate(20, idle), 0)
})

test('a slow response counts in full at once, and less and less from then on', () => {
  const time = new ResponseTime()
  time.add(10, 0)
  time.add(200, 1)
  assert.equal(time.estimate(1, idle), 200)
  // Faster responses do not lower the estimate; time does.
  for (let now = 10; now <= 3 * DECAY_MS; now += 10) time.add(10, now)
  const estimates = [0.5, 1, 2].map((decays) => {
    const one = new ResponseTime()
    one.add(10, 0)
    one.add(200, 0)
    one.add(10, decays * DECAY_MS)
    return one.estimate(decays * DECAY_MS, idle)
  })
  const [half, first, second] = estimates as [number, number, number]
  assert.ok(half > first && first > second && first < 200 * 0.4 && first > 200 * 0.2, `${estimates}`)
  assert.equal(time.estimate(3 * DECAY_MS, idle), 10)
})

test('the typical time decays while the backend is idle, and counts in full while a request is in flight', () => {
  const time = new ResponseTime()
  time.add(500, 0)
  const later = 2 * DECAY_MS
  assert.ok(time.estimate(later, idle) < 50)
  assert.equal(time.estimate(later, later), 500, 'a second one before the first was answered')
  assert.equal(time.estimate(4 * DECAY_MS, idle), 1, 'no less than a millisecond')
  // The backend may be slow still, or fast again.
  time.add(480, 4 * DECAY_MS)
  assert.equal(time.estimate(4 * DECAY_MS, idle), 480)
  time.add(8, 8 * DECAY_MS)
  assert.equal(time.estimate(8 * DECAY_MS, idle), 8)
})

test('a late response counts before it arrives', () => {
  const time = new ResponseTime()
  time.add(10, 0)
  assert.equal(time.estimate(5, 0), 10)
  assert.equal(time.estimate(600, 0), 600)
})

test('a request without a response would have taken longer than it was waited for', () => {
  const time = new ResponseTime()
  time.add(10, 0)
  time.atLeast(5, 10)
  assert.equal(Math.round(time.estimate(10, idle)), 10)
  time.atLeast(300, 20)
  assert.equal(time.estimate(20, idle), 300)
  const unknown = new ResponseTime()
  unknown.atLeast(300, 0)
  assert.equal(unknown.estimate(0, idle), 300)
})
