import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RunningTime } from '../../../src/balancer/time/running-time.js'

/** A process of which somebody asks for the time. */
function process() {
  let now = 0
  let used = 0
  let beatAt = 0
  let beat: (() => void) | undefined
  let interval = 0
  const time = new RunningTime({
    now: () => now,
    cpuTime: () => used,
    every(milliseconds, callback) {
      interval = milliseconds
      beat = callback
      beatAt = now + interval
      return () => {
        beat = undefined
      }
    },
  })
  time.timerStarted()
  return {
    time,
    beats: () => beat !== undefined,
    /** It runs, and uses that part of the processor. */
    run(milliseconds: number, part: number) {
      for (let i = 0; i < milliseconds; i++) {
        now++
        used += part
        if (!beat || now < beatAt) continue
        beat()
        beatAt = now + interval
      }
    },
    /** It is not there for anybody, and uses that part of the processor. */
    silence(milliseconds: number, part: number) {
      now += milliseconds
      used += milliseconds * part
    },
  }
}

test('time for which the process was stopped is not counted, however idle or busy it was before', () => {
  for (const part of [0, 0.5, 1]) {
    const { time, run, silence } = process()
    run(2345, part)
    assert.equal(time.now(), 2345)
    silence(6000, 0)
    assert.equal(time.now(), 2345, 'the first to ask')
    run(500, part)
    assert.deepEqual([time.now(), time.stoodStill], [2845, 6000])
    silence(3000, 0)
    run(1, part)
    assert.deepEqual([time.now(), time.stoodStill], [2846 - 1, 9001])
  }
})

test('time in which it was blocked by its own work counts, and so does a moment', () => {
  const { time, run, silence } = process()
  run(1000, 0.1)
  silence(6000, 1)
  assert.deepEqual([time.now(), time.stoodStill], [7000, 0])
  run(1000, 0.1)
  silence(5000, 0.2)
  assert.deepEqual([time.now(), time.stoodStill], [13_000, 0])
  run(1000, 0.1)
  silence(700, 0)
  assert.deepEqual([time.now(), time.stoodStill], [14_700, 0])
})

test('that nobody asks is no standstill', () => {
  const { time, run } = process()
  run(60_000, 0)
  assert.deepEqual([time.now(), time.stoodStill], [60_000, 0])
})

test('where nobody waits there is no beat, and no standstill; who waits later is not told of it', () => {
  const { time, run, silence, beats } = process()
  time.timerStarted()
  time.timerEnded()
  assert.equal(beats(), true)
  time.timerEnded()
  assert.equal(beats(), false)
  run(5000, 0)
  silence(6000, 0)
  time.timerStarted()
  assert.deepEqual([time.now(), time.stoodStill], [11_000, 0])
  silence(6000, 0)
  assert.deepEqual([time.now(), time.stoodStill], [11_000, 6000])
})
