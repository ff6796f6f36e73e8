import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { answering } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { configuredProcess } from '../support/configured-gateway.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

const MAX = 30

/** Two gateways with one file and one store, and what is sent to both. */
async function fleet(t: TestContext, workers: string) {
  const [server, backend] = [await RedisServer.start(t), await answering()]
  t.after(() => backend.close())
  const rateLimit = { max: MAX, window: 3_600_000, by: 'header:x-key' }
  const file = {
    pools: { users: { backends: [backend.url] } },
    routes: [
      { name: 'open', match: { path: '/open' }, pool: 'users', rateLimit },
      {
        name: 'closed',
        match: { path: '/closed' },
        pool: 'users',
        rateLimit: { ...rateLimit, failOpen: false },
      },
    ],
  }
  const env = { STORE: server.url, WORKERS: workers }
  const gateways = await Promise.all(
    ['a', 'b'].map((id) => configuredProcess(t, file, { ...env, GATEWAY_ID: id })),
  )
  /** Sends requests over both gateways, ten at once; resolves to how often each status came. */
  const send = async (path: string, key: string, count = 100) => {
    const statuses: Record<string, number> = {}
    const urls = gateways.map(({ url }) => url + path)
    let next = 0
    const client = async () => {
      while (next < count) {
        const url = urls[next++ % urls.length] as string
        const { status, headers } = await call(url, { headers: { 'x-key': key } })
        statuses[status] = (statuses[status] ?? 0) + 1
        if (status === 429 || status === 503) assert.ok(Number(headers['retry-after']) > 0)
      }
    }
    await Promise.all(Array.from({ length: 10 }, client))
    return statuses
  }
  // A gateway starts whether the store is there or not.
  let tries = 0
  await until(
    async () =>
      Promise.all(
        gateways.map(({ url }) => call(`${url}/closed`, { headers: { 'x-key': `start ${tries++}` } })),
      ),
    (responses) => responses.every(({ status }) => status === 200),
  )
  return { server, gateways, send }
}

/** Two gateways that share a store share the limits of clients. @param workers threads of each */
export async function sharedRateLimits(t: TestContext, workers: string): Promise<void> {
  const { server, gateways, send } = await fleet(t, workers)
  assert.deepEqual(await send('/open', 'one'), { 200: MAX, 429: 100 - MAX })
  assert.deepEqual(await send('/closed', 'one'), { 200: MAX, 429: 100 - MAX })
  assert.deepEqual(await send('/open', 'two', 10), { 200: 10 })
  for (const { admin } of gateways) {
    const { json } = await callJson('POST', `${admin}/routes/explain`, {
      path: '/open',
      headers: { 'x-key': 'two' },
    })
    assert.match(json.steps[0].reason, new RegExp(`^${MAX - 10} of ${MAX} requests`))
  }

  await server.kill()
  await until(
    () => send('/closed', 'away', 2),
    (statuses) => statuses[503] === 2,
  )
  assert.deepEqual(await send('/open', 'two'), { 200: 100 })
  assert.deepEqual(await send('/closed', 'two'), { 503: 100 })
  // What is known to be over the limit stays so until its window ends.
  assert.deepEqual(await send('/open', 'one'), { 429: 100 })
  for (const gateway of gateways) {
    await gateway.line(({ event }) => event === 'rate limit not counted')
    // Several threads tell their counts once in a second.
    await until(
      async () => (await call(`${gateway.admin}/metrics`)).text,
      (page) => /^leastwise_rate_limit_uncounted_total\{route="open"\} 50$/m.test(page),
    )
  }

  await server.start()
  // Each time another client, as one of the gateways may have the store long before the other.
  let tries = 0
  await until(
    () => send('/closed', `back ${tries++}`, 2),
    (statuses) => statuses[200] === 2,
  )
  assert.deepEqual(await send('/open', 'three'), { 200: MAX, 429: 100 - MAX })
  for (const { lines } of gateways)
    assert.equal(lines.filter(({ event }) => event === 'rate limit not counted').length, 1)
}
