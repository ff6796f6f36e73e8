import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { answering, type TestBackend } from '../support/backend.js'
import { load } from '../support/client.js'
import { type GatewayProcess, startGateway } from '../support/process.js'

async function started(t: TestContext, env: Record<string, string>): Promise<GatewayProcess> {
  const gateway = await startGateway(env)
  t.after(() => gateway.stop('SIGKILL'))
  return gateway
}

async function backend(t: TestContext, delay = 0): Promise<TestBackend> {
  const made = await answering(delay)
  t.after(() => made.close())
  return made
}

/** Sends so many requests over equal backends, one at a time, and so many over weighted ones. */
export function evenShares({ equal, weighted: total }: { equal: number; weighted: number }): void {
  const title = `${equal} one at a time come out even, ${total} by 5:2 at three in flight within 2 %`
  test(`shares over real sockets: ${title}`, (t) => share(t, equal, total))
}

async function share(t: TestContext, equal: number, total: number): Promise<void> {
  const three = [await backend(t), await backend(t), await backend(t)]
  const even = await started(t, { BACKENDS: three.map(({ url }) => url).join(), LOG_LEVEL: 'info' })
  assert.deepEqual([...(await load(even.url, { total: equal, concurrency: 1 }))], [[200, equal]])
  for (const one of three) assert.ok(Math.abs(one.total - equal / 3) <= equal / 60, `${one.total}`)

  const [heavy, light] = [await backend(t, 1), await backend(t, 1)]
  const weighted = await started(t, { BACKENDS: `${heavy.url};weight=5,${light.url};weight=2` })
  assert.deepEqual([...(await load(weighted.url, { total, concurrency: 3 }))], [[200, total]])
  assert.ok(Math.abs(heavy.total / total - 5 / 7) <= 0.02, `${heavy.total}`)
}
