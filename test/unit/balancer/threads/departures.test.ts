import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sharedPool } from '../../../support/pool-members.js'

const [A, B] = ['http://a', 'http://b']
const listOf = (...urls: string[]) => urls.map((url) => ({ url }))

test('a backend whose last request ends before its thread has heard of the drain is removed', async (t) => {
  const { control, members, settled } = sharedPool(t, { members: 2, backends: [A, B] })
  await settled()
  const leases = [members[0]?.acquire(), members[0]?.acquire()]
  assert.deepEqual(
    control.registry.list().map(({ inFlight }) => inFlight),
    [1, 1],
  )
  control.registry.sync('config', listOf(A))
  for (const lease of leases) lease?.release('ok')
  await settled()
  assert.deepEqual(
    control.registry.list().map(({ url }) => url),
    [A],
  )
})

test('one without requests keeps its id until all threads know that it leaves', async (t) => {
  const { control, members, settled } = sharedPool(t, { members: 2, backends: [A, 'http://c:443'] })
  await settled()
  control.registry.sync('config', listOf(A, 'https://c'))
  await settled()
  const seen = [control, ...members].map(({ registry }) =>
    registry.list().map(({ id, url }) => `${id} ${url}`),
  )
  assert.deepEqual(seen, Array(3).fill([`a-80 ${A}`, 'c-443-2 https://c']))
})
