import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OtherGateways } from '../../../src/stores/redis/other-gateways.js'

const LEASE_MS = 5000

function others() {
  let now = 1_700_000_000_000
  const events: string[] = []
  const gateways = new OtherGateways({
    leaseMs: LEASE_MS,
    now: () => now,
    joined: ({ id }) => events.push(`joined ${id}`),
    left: ({ id }, why) => events.push(`left ${id} ${why}`),
  })
  const entry = (id: string, instance = `i-${id}`) => {
    return { id, instance, seen: now, inFlight: 0, version: '1' }
  }
  return {
    gateways,
    events,
    entry,
    pass: (milliseconds: number) => {
      now += milliseconds
    },
    heard: (...entries: ReturnType<typeof entry>[]) =>
      gateways.heard(entries, { id: 'self', instance: 'i-self' }),
    ids: () => gateways.list().map(({ id }) => id),
  }
}

test('a gateway is there until its lease is over, whether the store still knows it or not', () => {
  const { gateways, events, entry, pass, heard, ids } = others()
  heard(entry('a'), entry('b'))
  pass(LEASE_MS - 1)
  heard(entry('b'))
  assert.deepEqual(ids(), ['a', 'b'])
  pass(1)
  assert.deepEqual([ids(), gateways.has('i-a'), gateways.has('i-b')], [['b'], false, true])
  // It is over before anybody looks, and said when somebody does.
  assert.deepEqual(events, ['joined a', 'joined b'])
  gateways.forget()
  assert.deepEqual(events.slice(2), ['left a silent'])
  heard(entry('a'), entry('b'))
  assert.deepEqual(events.slice(3), ['joined a'])
})

test('an answer that was under way does not bring back a gateway that has left', () => {
  const { gateways, events, entry, pass, heard, ids } = others()
  heard(entry('a'))
  gateways.leave('i-a')
  heard(entry('a'))
  assert.deepEqual([ids(), events], [[], ['joined a', 'left a closed']])
  // It is started again, as another process.
  heard(entry('a', 'i-next'))
  assert.deepEqual(ids(), ['a'])
  gateways.leave('nobody')
  pass(60_000)
  gateways.forget()
  heard(entry('a'))
  assert.deepEqual(ids(), ['a'])
})

test('a gateway whose id another one has is gone', () => {
  const { events, entry, heard, ids } = others()
  heard(entry('a'), entry('self', 'i-before'))
  assert.deepEqual(ids(), ['a'])
  heard(entry('a', 'i-next'))
  assert.deepEqual(ids(), ['a'])
  assert.deepEqual(events, ['joined a', 'joined self', 'left self silent', 'joined a', 'left a silent'])
})

test('a gateway that is renamed is the same', () => {
  const { events, entry, heard, ids } = others()
  heard(entry('a~1234', 'i-a'))
  heard(entry('a', 'i-a'))
  assert.deepEqual([ids(), events], [['a'], ['joined a~1234']])
})
