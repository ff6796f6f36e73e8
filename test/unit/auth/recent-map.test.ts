import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecentMap } from '../../../src/auth/recent-map.js'

test('an entry is there until its time', () => {
  const map = new RecentMap<string>(4)
  map.set('a', 'A', 10)
  assert.equal(map.get('a', 9), 'A')
  assert.equal(map.get('a', 10), undefined)
  assert.equal(map.size, 0)
  map.set('a', 'A', 10)
  map.set('a', 'B', 20)
  assert.equal(map.get('a', 15), 'B')
  map.clear()
  assert.equal(map.get('a', 0), undefined)
})

test('it never has more entries than its limit, and keeps those that are used', () => {
  const map = new RecentMap<number>(100)
  map.set('used', -1, 10)
  for (let i = 0; i < 1000; i++) {
    map.set(`${i}`, i, 10)
    assert.equal(map.get('used', 0), -1)
    assert.ok(map.size <= 100, `${map.size}`)
  }
  assert.equal(map.get('999', 0), 999)
  assert.equal(map.get('0', 0), undefined)
})
