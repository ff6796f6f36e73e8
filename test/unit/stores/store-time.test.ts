import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreTime } from '../../../src/stores/redis/store-time.js'

function setUp() {
  const clock = { now: 1000 }
  return { clock, time: new StoreTime(() => clock.now, 500_000) }
}

test('Before the first answer the time is that of this machine', () => {
  const { clock, time } = setUp()
  assert.equal(time.now(), 500_000)
  clock.now += 250
  assert.equal(time.now(), 500_250)
})

test('An answer that took long does not replace one that came at once', () => {
  const { clock, time } = setUp()
  clock.now = 1010
  time.answered(700_005, 1000)
  assert.equal(time.now(), 700_010)
  // The store answered just before the end, so the middle is wrong by almost a second.
  clock.now = 3010
  time.answered(702_000, 1010)
  assert.equal(time.now(), 702_010)
})

test('A process that was stopped between question and answer keeps the right time', () => {
  const { clock, time } = setUp()
  clock.now = 1010
  time.answered(700_005, 1000)
  clock.now = 21_010
  assert.equal(time.now(), 720_010)
  time.answered(700_012, 1012)
  assert.equal(time.now(), 720_010)
})

test('Another server, or a clock that was set, counts with the next answer', () => {
  const { clock, time } = setUp()
  clock.now = 1010
  time.answered(700_005, 1000)
  clock.now = 2110
  time.answered(900_000, 2010)
  assert.equal(time.now(), 900_050)
})

test('An old answer is replaced by a new one that is as good as an old one can be', () => {
  const { clock, time } = setUp()
  clock.now = 1002
  time.answered(700_001, 1000)
  clock.now = 101_010
  // Clocks drift: after 100 seconds an error of 5 ms tells more than one of 1 ms did.
  time.answered(800_020, 101_000)
  assert.equal(time.now(), 800_025)
})
