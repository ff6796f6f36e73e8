import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { answering } from '../support/backend.js'
import { configuredGateway, type Document } from '../support/configured-gateway.js'
import { AUDIENCE, ISSUER, issuerKey, keyServer } from '../support/key-server.js'
import { RawClient } from '../support/raw.js'
import { noSharedPort } from '../support/shared-port.js'
import { until } from '../support/until.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const MB = 1024 * 1024
/** What reloads may leave behind in the heap of the process, in bytes of each: caches of compiled functions and the like. */
const MOST_PER_RELOAD = 4096

/** What a process has open, by kind. */
function openThings(): Record<string, number> {
  const things: Record<string, number> = { descriptors: readdirSync('/proc/self/fd').length }
  for (const kind of process.getActiveResourcesInfo()) things[kind] = (things[kind] ?? 0) + 1
  return things
}

async function heap(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    collect()
    await new Promise(setImmediate)
  }
  return process.memoryUsage().heapUsed
}

for (const workers of [1, 2]) {
  test(`500 reloads leave nothing behind with WORKERS=${workers}`, {
    skip: workers > 1 && noSharedPort,
  }, async (t) => {
    const backend = await answering()
    const keys = await keyServer([await issuerKey('a')])
    t.after(() => Promise.all([backend.close(), keys.close()]))
    const file = (i: number): Document => ({
      listen: [{ port: 0 }, ...(i % 2 === 1 ? [{ host: '127.0.0.2', port: 0 }] : [])],
      pools: {
        users: { backends: [backend.url], healthPath: '/healthz', healthInterval: 1000 + i },
        ...(i % 2 === 1 && { [`pool${i}`]: { backends: [backend.url], healthPath: '/healthz' } }),
      },
      routes: [
        { name: 'users', match: { path: '/users' }, pool: 'users', rateLimit: { max: 1000, window: 1000 } },
        {
          name: `private ${i}`,
          match: { path: '/private' },
          pool: 'users',
          auth: { jwt: { jwks: keys.jwks, issuer: ISSUER, audience: AUDIENCE } },
          cors: { origin: [`https://${i}.example.com`] },
        },
        ...(i % 2 === 1 ? [{ name: `route ${i}`, match: { path: `/${i}` }, pool: `pool${i}` }] : []),
      ],
    })
    const gateway = await configuredGateway(t, file(0), {
      env: { WORKERS: `${workers}`, ADMIN_PORT: '0', LOG_LEVEL: 'error' },
    })
    const client = new RawClient(gateway.url)
    t.after(() => client.close())
    let count = 0
    const reload = async (times: number) => {
      for (let end = count + times; count < end; ) {
        await gateway.reload(file(++count))
        client.text = ''
        await client.send('GET /users HTTP/1.1\r\nHost: a\r\n\r\n').until(/ok$/)
        // What was logged is for the test alone.
        gateway.lines.length = 0
      }
    }
    await reload(100)
    const before = { things: openThings(), heap: await heap() }
    await reload(500)
    await until(openThings, (things) =>
      Object.entries(things).every(([kind, number]) => number <= (before.things[kind] ?? 0) + 2),
    )
    const grown = (await heap()) - before.heap
    t.diagnostic(
      `the heap has grown by ${(grown / MB).toFixed(2)} MB, rss ${process.memoryUsage().rss / MB} MB`,
    )
    assert.ok(grown < 500 * MOST_PER_RELOAD, `the heap has grown by ${grown} bytes`)
  })
}
