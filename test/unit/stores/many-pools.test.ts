import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { redisStore } from '../../../src/stores/redis/redis-store.js'

test('any number of pools may listen to one store: nothing takes that for a leak', async (t) => {
  const warnings: string[] = []
  const onWarning = ({ message }: Error) => warnings.push(message)
  process.on('warning', onWarning)
  t.after(() => process.off('warning', onWarning))
  // Nothing is connected before a pool loads or saves.
  const store = redisStore('redis://127.0.0.1:1')
  const ends: (() => void)[] = []
  for (let i = 0; i < 30; i++) {
    const pool = store.forPool(`p${i}`)
    ends.push(
      pool.watch(() => {}),
      pool.onPresence(() => {}),
      pool.fleet.slots.onNews(() => {}),
    )
    pool.fleet.status?.on('change', () => {})
  }
  await setImmediate()
  for (const end of ends) end()
  assert.deepEqual(warnings, [])
})
