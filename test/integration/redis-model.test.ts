import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { StoreConflictError, StoreOutcomeError } from '../../src/balancer/errors.js'
import type { PoolState, StoreRevision } from '../../src/balancer/state/store.js'
import { StoreAwayError } from '../../src/stores/redis/failures.js'
import { redisStore } from '../../src/stores/redis/redis-store.js'
import { seeded } from '../support/random.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'
import { TcpProxy } from '../support/tcp-proxy.js'

const WRITERS = 3
const FAULTS = 8

/** The ids of all changes that a state has in it. */
const changesOf = ({ backends }: PoolState) => backends.map(({ id }) => id)

function withChange(state: PoolState | undefined, id: string): PoolState {
  return {
    version: 1,
    policy: { name: 'least-connections', configured: 'least-connections' },
    backends: [
      ...(state?.backends ?? []),
      { url: `http://${id}.test`, id, weight: 1, state: 'active', addedAt: '2026-01-01T00:00:00.000Z' },
    ],
    removed: [],
  }
}

const numberOf = (revision: StoreRevision) => Number(String(revision).split('-')[0])

test('No change that was acknowledged is lost, and none that was refused is made', {
  skip: withoutRedis,
}, async (t) => {
  const random = seeded(1)
  const server = await RedisServer.start(t, '--appendonly', 'yes', '--appendfsync', 'always')
  const done = new Set<string>()
  const refused = new Set<string>()
  const unknown = new Map<string, StoreRevision>()
  const proxies: TcpProxy[] = []
  let isOver = false

  async function write(writer: number): Promise<void> {
    const proxy = await TcpProxy.start(t, server.port)
    proxies.push(proxy)
    const store = redisStore(proxy.url)
    t.after(() => store.close())
    const pool = store.forPool('users')
    let seen = 0
    for (let i = 0; !isOver; i++) {
      const id = `${writer}-${i}`
      try {
        const loaded = await pool.load()
        if (loaded) {
          assert.ok(numberOf(loaded.revision) >= seen, 'revisions grow')
          seen = numberOf(loaded.revision)
        }
        await pool.save(withChange(loaded?.state, id), loaded?.revision).then(
          (revision) => {
            assert.equal(numberOf(revision), seen + 1)
            done.add(id)
          },
          (error) => {
            if (error instanceof StoreOutcomeError) unknown.set(id, error.revision)
            else if (error instanceof StoreConflictError || error instanceof StoreAwayError) refused.add(id)
            else throw error
          },
        )
      } catch (error) {
        if (!(error instanceof StoreAwayError)) throw error
        if (store.connection.isAway) await once(store.connection, 'back')
      }
    }
  }

  const writers = Array.from({ length: WRITERS }, (_, i) => write(i))
  for (let i = 0; i < FAULTS; i++) {
    const enough = done.size + 5
    while (done.size < enough) await pause(5)
    const kind = random()
    if (kind < 0.4) {
      await server.kill()
      await server.start()
    } else if (kind < 0.6) {
      await server.command('CLIENT', 'KILL', 'TYPE', 'normal')
    } else {
      proxies[Math.floor(random() * proxies.length)]?.cut()
    }
  }
  isOver = true
  await Promise.all(writers)
  const store = redisStore(server.url)
  t.after(() => store.close())
  const last = await store.forPool('users').load()
  assert.ok(last)
  const made = changesOf(last.state)
  assert.equal(new Set(made).size, made.length)
  assert.deepEqual(
    [...done].filter((id) => !made.includes(id)),
    [],
    'lost',
  )
  assert.deepEqual(
    made.filter((id) => refused.has(id)),
    [],
    'refused, and made',
  )
  for (const id of made) assert.ok(done.has(id) || unknown.has(id), id)
  // Each change has one revision.
  assert.equal(numberOf(last.revision), made.length)
  t.diagnostic(`${done.size} done, ${refused.size} refused, ${unknown.size} unknown`)
})
