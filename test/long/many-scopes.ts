import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openFileGateway } from '../support/file-gateway.js'

test('a gateway starts, loads its file again and ends with thousands of routes whose plugins differ', async (t) => {
  const contents = (more: number) => ({
    pools: { users: { backends: [] } },
    routes: Array.from({ length: 4000 + more }, (_, i) => ({
      match: { path: `/r${i}` },
      pool: 'users',
      rateLimit: { max: i + 1, window: 60_000 },
    })),
  })
  const gateway = await openFileGateway(t, contents(0))
  await gateway.apply(contents(1))
  const { status, headers } = await fetch(`${gateway.url}/r4000`)
  assert.deepEqual([status, headers.get('x-ratelimit-limit')], [503, '4001'])
  await gateway.close()
})
