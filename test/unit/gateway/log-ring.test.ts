import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { LogRing } from '../../../src/gateway/logging/log-ring.js'
import { seeded } from '../../support/random.js'

/** Two views of one ring, as two threads have them. */
function ring(bytes?: number) {
  const buffer = LogRing.allocate(bytes)
  return { writer: new LogRing(buffer), reader: new LogRing(buffer) }
}
const taken = (reader: LogRing) => reader.take()?.toString() ?? ''

test('lines are taken whole and in order, and those without room are counted', () => {
  const random = seeded(5)
  const { writer, reader } = ring(1000)
  let [kept, said, dropped] = ['', '', 0]
  for (let i = 0; i < 20_000; i++) {
    if (random() < 0.2) said += taken(reader)
    const line = `${i} ${['a', 'é', '€', '😀'][i % 4]?.repeat(120 * random())}\n`
    writer.add(line)
    if (writer.dropped === dropped) kept += line
    dropped = writer.dropped
  }
  assert.equal(said + taken(reader), kept)
  assert.ok(dropped > 100)
  assert.equal(reader.dropped, dropped)
  assert.equal(taken(reader), '')
})

test('a ring has room for as many bytes as it was made with, wherever its last lines ended', () => {
  for (const before of [0, 40, 50, 99, 100]) {
    const { writer, reader } = ring(100)
    writer.add('x'.repeat(before))
    taken(reader)
    for (let i = 0; i < 10; i++) writer.add('y'.repeat(10))
    assert.equal(reader.unread, 100)
    writer.add('z')
    assert.equal(taken(reader), 'y'.repeat(100))
    assert.equal(reader.dropped, 1)
  }
})

test('a line of half the ring has room where no other line is', () => {
  for (let before = 0; before <= 100; before++) {
    const { writer, reader } = ring(100)
    writer.add('x'.repeat(before))
    taken(reader)
    writer.add('é'.repeat(25))
    assert.equal(taken(reader), 'é'.repeat(25))
  }
})

test('the reader is woken once for lines that come together, and once more when there are many', () => {
  const { writer, reader } = ring()
  const adds = (count: number) =>
    Array.from({ length: count }, () => writer.add('x'.repeat(1023))).filter(Boolean).length
  assert.equal(adds(50), 1)
  assert.equal(reader.isUrgent, false)
  assert.equal(adds(50), 1)
  assert.equal(reader.isUrgent, true)
  assert.equal(adds(50), 0)
  taken(reader)
  assert.equal(adds(1), 1)
  assert.equal(writer.hurry(), true)
  assert.equal(writer.hurry(), false)
  taken(reader)
  assert.equal(writer.hurry(), false, 'there is nothing to take')
})

test('a reader without room is not woken, and takes the lines when it has room', () => {
  const { writer, reader } = ring()
  writer.add('a\n')
  reader.refuse()
  for (let i = 0; i < 100; i++) assert.equal(writer.add('b'.repeat(1023)), false)
  assert.equal(reader.isUrgent, false)
  assert.equal(taken(reader).length, 2 + 100 * 1023)
  assert.equal(writer.add('c\n'), true)
})

/**
 * Calls `work`, and `other` between two of its accesses to shared memory, as if a second thread had run there.
 * @param after number of accesses before `other` is called
 * @returns false if there are not that many
 */
function interrupted(work: () => void, after: number, other: () => void): boolean {
  const { load, store, exchange, compareExchange, add } = Atomics
  const originals = { load, store, exchange, compareExchange, add }
  let count = 0
  for (const [name, original] of Object.entries(originals)) {
    const counted = (...parameters: never[]) => {
      const result = Reflect.apply(original as (...all: never[]) => number, Atomics, parameters)
      if (++count === after) {
        Object.assign(Atomics, originals)
        other()
      }
      return result
    }
    Object.assign(Atomics, { [name]: counted })
  }
  try {
    work()
  } finally {
    Object.assign(Atomics, originals)
  }
  return count >= after
}

test('lines stay whole wherever one thread is between two steps of the other', () => {
  for (const earlier of [[], [10], [30], [30, 10], [60, 30]]) {
    for (const lengths of [[3], [10, 10], [30, 30], [10, 10, 10, 30, 30], [95]]) {
      for (const isReaderFirst of [true, false]) {
        for (let after = 1, more = true; more; after++) {
          const { writer, reader } = ring(100)
          let [kept, said, number] = ['', '', 0]
          const take = () => {
            said += taken(reader)
          }
          const add = (length: number) => {
            const dropped = writer.dropped
            const line = `${String.fromCharCode(97 + number++).repeat(length - 1)}\n`
            writer.add(line)
            if (writer.dropped === dropped) kept += line
          }
          // The last of the earlier lines are unread, or there is none that is.
          for (const length of earlier) {
            take()
            add(length)
          }
          if (lengths.length % 2 === 1) take()
          const write = () => {
            for (const length of lengths) add(length)
          }
          more = isReaderFirst ? interrupted(take, after, write) : interrupted(write, after, take)
          write()
          take()
          assert.equal(said, kept, `${earlier} ${lengths} ${isReaderFirst} ${after}`)
        }
      }
    }
  }
})

test('lines pass from one thread to another', async (t) => {
  const lines = 5000
  const buffer = LogRing.allocate(4000)
  const reader = new LogRing(buffer)
  const worker = new Worker(new URL('../../support/ring-worker.js', import.meta.url), {
    workerData: { buffer, lines },
  })
  t.after(() => worker.terminate())
  let hasEnded = false
  const ended = once(worker, 'exit').then(() => {
    hasEnded = true
  })
  let [next, last] = [0, false]
  while (!last) {
    last = hasEnded
    const said = taken(reader)
    assert.ok(said === '' || said.endsWith('\n'))
    for (const line of said.split('\n').slice(0, -1)) {
      assert.equal(line, `${next} ${'é'.repeat((next * 7) % 90)}`)
      next++
    }
    await setImmediate()
  }
  await ended
  assert.equal(next, lines)
})
