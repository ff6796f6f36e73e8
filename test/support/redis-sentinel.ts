import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { RedisServer } from './redis-server.js'

/** Starts a Sentinel that watches a server under the name `mymaster`. It ends with the test. */
export async function startSentinel(t: TestContext, master: RedisServer): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'leastwise-sentinel-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'sentinel.conf')
  await writeFile(file, `sentinel monitor mymaster 127.0.0.1 ${master.port} 1\n`)
  return await RedisServer.startSentinel(t, file)
}
