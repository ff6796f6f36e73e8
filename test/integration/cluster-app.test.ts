import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { answering } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { start } from '../support/process.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'
import { until } from '../support/until.js'

const file = fileURLToPath(new URL('../support/cluster-app.js', import.meta.url))

test('a drain at one process of a node:cluster reaches the other, as they share a store', {
  skip: withoutRedis,
}, async (t) => {
  const store = await RedisServer.start(t)
  const backends = [await answering(), await answering()]
  t.after(() => Promise.all(backends.map((backend) => backend.close())))
  const env = { STORE: store.url, BACKENDS: backends.map(({ url }) => url).join() }
  const { process: primary, ended } = start([file], { env })
  t.after(() => primary.kill('SIGKILL'))
  const lines = createInterface({ input: primary.stdout as NodeJS.ReadableStream })
  const urls: string[] = []
  while (urls.length < 2) urls.push(...((await once(lines, 'line')) as string[]))
  const [one, other] = urls as [string, string]
  const headers = { authorization: 'Bearer token' }
  const ask = (method: string, url: string) =>
    callJson(method, url, method === 'GET' ? undefined : {}, headers)
  await until(
    async () => (await ask('GET', `${one}/admin/gateways`)).json.gateways.map(({ id }: { id: string }) => id),
    (ids) => ids.sort().join() === 'worker-1,worker-2',
  )
  const [{ id }] = (await ask('GET', `${one}/admin/backends`)).json.backends
  const drained = await ask('POST', `${one}/admin/backends/${id}/drain`)
  assert.equal(drained.status, 202)
  await until(
    async () => (await ask('GET', `${other}/admin/backends/${id}`)).json.state,
    (state) => state === 'draining',
  )
  const total = backends[0]?.total
  for (const url of [one, other, one, other]) assert.equal((await call(`${url}/api/`)).status, 200)
  assert.equal(backends[0]?.total, total)
  assert.equal(backends[1]?.total, 4)
  primary.kill('SIGTERM')
  assert.equal((await ended).code, 0)
})
