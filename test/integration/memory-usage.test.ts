import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guardMemoryUsage } from '../../src/gateway/memory-usage.js'

test('without a file descriptor to spare, the last known figures serve', (t) => {
  const real = process.memoryUsage
  t.after(() => {
    process.memoryUsage = real
  })
  let fail: string | undefined
  const known = real()
  const stub = () => {
    if (fail) throw Object.assign(new Error('uv_resident_set_memory'), { code: fail })
    return known
  }
  process.memoryUsage = Object.assign(stub, { rss: real.rss })
  guardMemoryUsage()
  for (const code of ['EMFILE', 'ENFILE']) {
    fail = code
    assert.equal(process.memoryUsage(), known)
  }
  fail = 'EIO'
  assert.throws(() => process.memoryUsage(), { code: 'EIO' })
  assert.equal(typeof process.memoryUsage.rss(), 'number')
})
