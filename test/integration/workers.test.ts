import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestBackend } from '../support/backend.js'
import { startGateway } from '../support/process.js'
import { noSharedPort } from '../support/shared-port.js'

interface Pool {
  inFlight: number
  requests: number
}

const json = async <T>(url: string, init?: RequestInit) => (await (await fetch(url, init)).json()) as T

test('a gateway with several threads proxies, shows one view, and follows the admin API', {
  skip: noSharedPort,
}, async (t) => {
  const [a, b] = await Promise.all(
    [1, 2].map((name) => new TestBackend((_request, response) => response.end(`${name}`)).listen()),
  )
  t.after(() => Promise.all([a, b].map((backend) => backend?.close())))
  const gateway = await startGateway({ WORKERS: '2', BACKENDS: a?.url as string, SLOW_START: '0' })
  t.after(() => gateway.stop('SIGKILL'))
  const ready = await gateway.line(({ msg }) => msg === 'gateway ready')
  assert.equal(ready.workers, 2)

  const ask = async () => (await fetch(gateway.url, { headers: { connection: 'close' } })).text()
  assert.equal(await ask(), '1')
  const { id } = await json<{ id: string }>(`${gateway.admin}/backends`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ url: b?.url }),
  })
  // Each of these is a connection of its own, so that both threads have some of them.
  const answers = await Promise.all(Array.from({ length: 40 }, ask))
  assert.deepEqual(new Set(answers), new Set(['1', '2']))
  await json(`${gateway.admin}/backends/${id}/drain`, { method: 'POST' })
  assert.deepEqual(new Set(await Promise.all(Array.from({ length: 20 }, ask))), new Set(['1']))
  const pool = await json<Pool>(`${gateway.admin}/pool`)
  assert.equal(pool.requests, 61)
  assert.equal(await gateway.stop(), 0)
})
