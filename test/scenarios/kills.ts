import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PoolWorker } from '../../src/balancer/threads/pool-worker.js'
import type { PoolWorkers } from '../../src/balancer/threads/pool-workers.js'
import { column, PoolTable } from '../../src/balancer/threads/table.js'
import { noPassiveHealth, openGateway } from '../support/gateway.js'
import { seeded } from '../support/random.js'
import { RawClient } from '../support/raw.js'
import { ScriptedBackend } from '../support/scripted-backend.js'
import { noSharedPort } from '../support/shared-port.js'
import { kill, threads } from '../support/threads.js'
import { until } from '../support/until.js'

/** Milliseconds within which each client gets an answer, or a reset, however busy the machine is. */
const BOUND_MS = 30_000
const CLIENTS = 30

/** Kills workers at random moments under load, so many times. */
export function kills({ count, seed }: { count: number; seed: number }): void {
  const title = `${count} kills of workers under load leave every count right, and no request hanging`
  test(`${title}: seed ${seed}`, { skip: noSharedPort }, (t) => rush(t, count, seed))
}

async function rush(t: TestContext, count: number, seed: number): Promise<void> {
  const random = seeded(seed)
  const backends = await Promise.all([1, 2, 3].map(() => new ScriptedBackend().listen()))
  const gateway = await openGateway(
    backends,
    { WORKERS: '3', MAX_CONNECTIONS: '20', ...noPassiveHealth },
    { delays: { next: () => 0 } },
  )
  let ended = false
  t.after(async () => {
    ended = true
    await gateway.close()
    for (const backend of backends) await backend.close()
  })
  const pool = gateway.balancer.workers as PoolWorkers
  const counts = () => gateway.balancer.registry.list().map(({ inFlight }) => inFlight)
  const requests = ['/ok', '/late', '/big', '/stream', '/stream', 'tunnel']
  const answers = new Map<string, number>()
  const note = (what: string) => answers.set(what, (answers.get(what) ?? 0) + 1)

  /** One request on a connection of its own. It ends by itself, by the death of its worker, or when its client leaves. */
  const one = async () => {
    const path = requests[Math.floor(random() * requests.length)] as string
    const fields = path === 'tunnel' ? 'Connection: Upgrade\r\nUpgrade: echo\r\n' : ''
    const target = path === 'tunnel' ? '/' : path
    const client = new RawClient(gateway.url).send(`GET ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`)
    const closed = new Promise((resolve) => client.socket.once('close', resolve))
    let isOverdue = false
    const overdue = setTimeout(() => {
      isOverdue = true
      client.close()
    }, BOUND_MS)
    await Promise.race([client.until(/^HTTP\/1\.1 \d+ /).catch(() => {}), closed])
    clearTimeout(overdue)
    note(isOverdue ? `${path} hung` : (/^HTTP\/1\.1 (\d+)/.exec(client.text)?.[1] ?? 'reset'))
    // Streams and tunnels are held for a while.
    if (!client.socket.closed && random() < 0.5) await Promise.race([sleep(random() * 20), closed])
    client.close()
  }
  const clients = Array.from({ length: CLIENTS }, async () => {
    while (!ended) {
      await one()
      await sleep(random() * 50)
    }
  })
  const files = () => readdirSync('/proc/self/fd').length
  const seen: { files: number; rss: number }[] = []
  for (let killed = 0; killed < count; killed++) {
    // Some die while they start.
    await until(
      () => pool.list.filter(({ takesPart }) => takesPart).length,
      (workers) => workers >= 2,
    )
    const all = [...threads]
    const victim = all[Math.floor(random() * all.length)]
    await sleep(random() * 60)
    if (victim) await kill(victim)
    if (killed % 10 === 9) seen.push({ files: files(), rss: process.memoryUsage.rss() })
  }
  ended = true
  await Promise.all(clients)
  t.diagnostic(JSON.stringify([...answers]))
  t.diagnostic(seen.map(({ files, rss }) => `${files} files, ${Math.round(rss / 2 ** 20)} MB`).join('; '))

  // What backends hold, and what the gateway and each worker say they hold.
  const held = () => backends.map(({ open }) => open)
  await until(
    () => [...counts(), ...held()],
    (all) => all.every((open) => open === 0),
  )
  const table = new PoolTable((pool.list[0] as PoolWorker).handle.table)
  for (const { row, counter } of gateway.balancer.registry.list()) {
    assert.deepEqual([counter.inFlight, counter.tunnels, counter.load], [0, 0, 0])
    for (let worker = 0; worker < 3; worker++) {
      const own = table.columns.of(worker, row)
      for (const one of ['inFlight', 'tunnels', 'quietTunnels'] as const)
        assert.equal(own[column[one]], 0, `${one} of worker ${worker}`)
    }
  }
  assert.ok((answers.get('200') ?? 0) > count)
  assert.ok((answers.get('101') ?? 0) > count / 10)
  assert.equal([...answers.keys()].filter((what) => !['200', '101', 'reset'].includes(what)).join(), '')
  // It serves with all of its workers again. One takes part in the pool a moment before it listens.
  await until(
    () => pool.list.filter(({ takesPart }) => takesPart).length,
    (workers) => workers === 3,
  )
  await until(() => serves(gateway.url), Boolean)
}

/** Returns false if one of twenty requests was not answered. */
async function serves(url: string): Promise<boolean> {
  for (let i = 0; i < 20; i++) {
    const client = new RawClient(url).send('GET /ok HTTP/1.1\r\nHost: a\r\n\r\n')
    try {
      await client.until(/ok$/)
    } catch {
      return false
    } finally {
      client.close()
    }
  }
  return true
}
