import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openBalancer } from '../../src/balancer/index.js'
import { redisStore } from '../../src/stores/redis/redis-store.js'
import { stateFile } from '../../src/stores/state-file.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'

test('the content of a state file without its writer can be written to a store, as the guide says', {
  skip: withoutRedis,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'leastwise-migration-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const server = await RedisServer.start(t)
  const path = join(folder, 'state.json')
  const options = { backends: ['http://a:1'] }
  const before = await openBalancer(options, stateFile(path, 'STATE_FILE'))
  before.registry.add({ url: 'http://b:1', weight: 7 })
  await before.keeper?.close()
  before.close()
  const { writer: _, ...state } = JSON.parse(await readFile(path, 'utf8'))
  await server.command(
    'HSET',
    '{leastwise}:pool:default',
    'revision',
    '1-file',
    'state',
    JSON.stringify(state),
  )
  const after = await openBalancer(options, redisStore(server.url))
  t.after(async () => {
    await after.keeper?.close()
    after.close()
  })
  assert.deepEqual(
    after.registry.list().map(({ url, weight }) => [url, weight]),
    [
      ['http://a:1', 1],
      ['http://b:1', 7],
    ],
  )
})
