import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { PolicyName } from '../../src/balancer/selection/policies/index.js'
import { status, TestBackend } from '../support/backend.js'
import { callJson, load } from '../support/client.js'
import { startGateway } from '../support/process.js'

/** A gateway before backends that answer so. */
export async function before(
  t: TestContext,
  handlers: ReturnType<typeof status>[],
  env: Record<string, string> = {},
) {
  const backends = await Promise.all(handlers.map((handler) => new TestBackend(handler).listen()))
  for (const backend of backends) t.after(() => backend.close())
  const named = backends.map(({ url }, i) => `${url};id=b${i}`).join()
  const gateway = await startGateway({ BACKENDS: named, ...env })
  t.after(() => gateway.stop('SIGKILL'))
  /** The parts of so many requests that backends get. */
  const shares = async (total: number) => {
    const counts = backends.map((backend) => backend.total)
    await load(gateway.url, { total, concurrency: 20 })
    return backends.map((backend, i) => (backend.total - (counts[i] as number)) / total)
  }
  const view = async (i: number) => (await callJson('GET', `${gateway.admin}/backends/b${i}`)).json
  return { gateway, shares, view }
}

const slow = status(200, 40)

export function refusalOutlier(policy: PolicyName): void {
  test(`${policy}: one of four that answers 403 at once gets no more than its fair share`, async (t) => {
    const { gateway, shares, view } = await before(t, [slow, status(403, 1), slow, slow], { POLICY: policy })
    await shares(400)
    const [, sink = 1] = await shares(1000)
    assert.ok(sink <= 0.3 && sink >= 0.15, `${sink} of all requests`)
    assert.deepEqual([(await view(1)).failed, (await view(1)).health], [0, 'unknown'], 'it is not blamed')
    // Those that go round give nobody more than its turn.
    if (policy.endsWith('round-robin')) return
    const stop = new AbortController()
    const under = load(gateway.url, { concurrency: 20, stop: stop.signal })
    for (;;) {
      const { json } = await callJson('POST', `${gateway.admin}/explain`, {})
      const { reason } = json.backends.find(({ id }: { id: string }) => id === 'b1')
      if (/no more than its share as it refuses far more requests than the others/.test(reason)) break
    }
    stop.abort()
    await under
  })
}
