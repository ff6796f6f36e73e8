import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { answering, holding } from '../support/backend.js'
import { callJson } from '../support/client.js'
import { type ConfiguredGateway, configuredGateway, type Document } from '../support/configured-gateway.js'
import { AUDIENCE, goodClaims, ISSUER, issuerKey, keyServer, sign } from '../support/key-server.js'
import type { Death } from '../support/mortal-worker.js'
import { freePort } from '../support/process.js'
import { RawClient } from '../support/raw.js'
import { noSharedPort } from '../support/shared-port.js'
import { threads } from '../support/threads.js'
import { until } from '../support/until.js'

const mortal = new URL('../support/mortal-worker.js', import.meta.url)

function open(t: TestContext, content: Document, env: Record<string, string> = {}) {
  return configuredGateway(t, content, { env: { WORKERS: '2', ...env }, worker: mortal })
}

/** The head and the body of the answer to a request on a connection that is kept. */
async function ask(client: RawClient, path: string, fields = ''): Promise<string> {
  client.text = ''
  client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`)
  for (;;) {
    const text = await client.until('\r\n\r\n')
    const end = text.indexOf('\r\n\r\n') + 4
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0)
    if (text.length >= end + length) return text
    await client.until(new RegExp(`^[\\s\\S]{${end + length}}`))
  }
}

type Holding = Awaited<ReturnType<typeof holding>>

/** Connections on which a request was answered, at least one to each worker: each has to hold a request at a time. */
async function connections(t: TestContext, gateway: ConfiguredGateway, slow: Holding): Promise<RawClient[]> {
  const { workers } = gateway.balancer('slow')
  assert.ok(workers)
  const clients: RawClient[] = []
  t.after(() => {
    for (const client of clients) client.close()
  })
  while (workers.list.some((worker) => workers.inFlightOf(worker) === 0)) {
    clients.push(new RawClient(gateway.url).send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n'))
    await slow.untilOpen(clients.length)
  }
  slow.release()
  for (const client of clients) await client.until('held')
  return clients
}

test('a reload is answered when every worker has it, and their connections find the new routes', {
  skip: noSharedPort,
}, async (t) => {
  const [slow, fast] = [await holding(), await answering()]
  t.after(() => Promise.all([slow.close(), fast.close()]))
  const file = (path: string, more = {}) => ({
    pools: { slow: { backends: [slow.url] }, fast: { backends: [fast.url] }, ...more },
    routes: [
      { match: { path: '/slow' }, pool: 'slow' },
      { match: { path }, pool: 'fast' },
    ],
  })
  const gateway = await open(t, file('/0'))
  const clients = await connections(t, gateway, slow)
  for (let i = 1; i < 20; i++) {
    await gateway.reload(file(`/${i}`, i % 2 === 0 ? {} : { [`pool${i}`]: {} }))
    const heads = await Promise.all(clients.map((client) => ask(client, `/${i}`)))
    for (const head of heads) assert.match(head, /^HTTP\/1\.1 200/)
    for (const head of await Promise.all(clients.map((client) => ask(client, `/${i - 1}`))))
      assert.match(head, /^HTTP\/1\.1 404/)
  }
  const { registry } = gateway.balancer('fast')
  await until(
    () => registry.inFlight,
    (count) => count === 0,
  )
  assert.equal(registry.list()[0]?.counter.total, 19 * clients.length)
  assert.equal(fast.total, 19 * clients.length)
})

test('a file that cannot come into force changes nothing in any worker', {
  skip: noSharedPort,
}, async (t) => {
  const [one, other] = [await answering(), await answering()]
  t.after(() => Promise.all([one.close(), other.close()]))
  const free = await freePort()
  const file = (url: string, ports: number[], more = {}) => ({
    listen: ports.map((port) => ({ port })),
    pools: { users: { backends: [url], policy: 'round-robin' }, ...more },
    routes: [{ match: { path: '/' }, pool: 'users' }],
  })
  const gateway = await open(t, file(one.url, [0]))
  gateway.balancer('users').policy = 'power-of-two'
  const { registry } = gateway.balancer('users')
  const ids = registry.list().map(({ id }) => id)
  for (let i = 0; i < 3; i++) {
    const [mistake] = await gateway.refused(file(other.url, [0, free, one.port], { more: {} }))
    assert.match(mistake as string, /listen\[2\].*in use/)
  }
  assert.deepEqual(
    registry.list().map(({ id }) => id),
    ids,
  )
  assert.equal(gateway.balancer('users').policy, 'power-of-two')
  const client = new RawClient(gateway.url)
  assert.match(await ask(client, '/'), /^HTTP\/1\.1 200/)
  client.close()
  // The port that was tried is free, and comes, goes and comes again.
  for (const ports of [[0, free], [0], [0, free]]) await gateway.reload(file(other.url, ports))
  const second = new RawClient(`http://127.0.0.1:${free}`)
  assert.match(await ask(second, '/'), /^HTTP\/1\.1 200/)
  second.close()
  assert.deepEqual([one.total, other.total], [1, 1])
})

test('a worker that dies during a reload comes back with the new configuration', {
  skip: noSharedPort,
}, async (t) => {
  const [slow, fast] = [await holding(), await answering()]
  t.after(() => Promise.all([slow.close(), fast.close()]))
  const file = (path: string) => ({
    pools: { slow: { backends: [slow.url] }, fast: { backends: [fast.url] }, [`p${path.slice(1)}`]: {} },
    routes: [
      { match: { path: '/slow' }, pool: 'slow' },
      { match: { path }, pool: 'fast' },
    ],
  })
  const gateway = await open(t, file('/0'))
  const deaths: Death[] = ['throw', 'exit', 'reject']
  for (const [i, death] of deaths.entries()) {
    const path = `/${i + 1}`
    const [victim] = [...threads].slice(i % 2)
    const started = gateway.lines.filter(({ event }) => event === 'worker started').length
    const reload = gateway.reload(file(path))
    victim?.postMessage(death)
    await reload
    await until(
      () => gateway.lines.filter(({ event }) => event === 'worker started').length,
      (count) => count > started,
    )
    const clients = await connections(t, gateway, slow)
    for (const client of clients) assert.match(await ask(client, path), /^HTTP\/1\.1 200/, `after ${death}`)
    for (const client of clients) client.close()
  }
})

test('rate limits count over all workers, keys are fetched once, and cookies are good in each', {
  skip: noSharedPort,
}, async (t) => {
  const [slow, one, other] = [await holding(), await answering(), await answering()]
  const key = await issuerKey('first')
  const next = await issuerKey('second')
  const keys = await keyServer([key])
  t.after(() => Promise.all([slow, one, other, keys].map((server) => server.close())))
  const file = (more = {}) => ({
    pools: {
      slow: { backends: [slow.url] },
      users: { backends: [one.url, other.url], affinity: 'cookie', slowStart: 0 },
    },
    routes: [
      { match: { path: '/slow' }, pool: 'slow' },
      { match: { path: '/cookie' }, pool: 'users' },
      {
        name: 'limited',
        match: { path: '/limited' },
        pool: 'users',
        rateLimit: { max: 7, window: 3_600_000, by: 'ip' },
      },
      {
        name: 'private',
        match: { path: '/private' },
        pool: 'users',
        auth: { jwt: { jwks: keys.jwks, issuer: ISSUER, audience: AUDIENCE, algorithms: ['ES256'] } },
      },
    ],
    ...more,
  })
  const gateway = await open(t, file())
  const clients = await connections(t, gateway, slow)

  await t.test('rate limits, also over a reload', async () => {
    const statuses: string[] = []
    for (let i = 0; i < 3; i++)
      for (const client of clients) statuses.push((await ask(client, '/limited')).slice(9, 12))
    await gateway.reload(file({ listen: [{ port: 0 }, { port: 0 }] }))
    for (let i = 0; i < 8; i++)
      for (const client of clients) statuses.push((await ask(client, '/limited')).slice(9, 12))
    assert.equal(statuses.filter((status) => status === '200').length, 7)
    assert.equal(statuses.filter((status) => status === '429').length, statuses.length - 7)
    assert.ok(statuses.slice(0, 7).every((status) => status === '200'))
  })

  await t.test('keys', async () => {
    const token = await sign(key, goodClaims())
    for (const client of clients)
      assert.match(await ask(client, '/private', `Authorization: Bearer ${token}\r\n`), /^HTTP\/1\.1 200/)
    assert.equal(keys.total, 1)
    keys.publish([key.jwk, next.jwk])
    const newer = await sign(next, goodClaims())
    for (const client of clients)
      assert.match(await ask(client, '/private', `Authorization: Bearer ${newer}\r\n`), /^HTTP\/1\.1 200/)
    assert.equal(keys.total, 2)
  })

  await t.test('cookies, also after a reload', async () => {
    const [first] = clients
    const cookie = /set-cookie: ([^;]+)/i.exec(await ask(first as RawClient, '/cookie'))?.[1]
    assert.ok(cookie)
    const [home, away] = one.seen.at(-1)?.url === '/cookie' ? [one, other] : [other, one]
    const before = [home.total, away.total]
    for (const client of clients) await ask(client, '/cookie', `Cookie: ${cookie}\r\n`)
    await gateway.reload(file())
    for (const client of clients) await ask(client, '/cookie', `Cookie: ${cookie}\r\n`)
    assert.deepEqual([home.total, away.total], [(before[0] as number) + 2 * clients.length, before[1]])
  })
})

test('GET /routes has the counts of all workers', { skip: noSharedPort }, async (t) => {
  const [slow] = [await holding()]
  t.after(() => slow.close())
  const port = await freePort()
  const gateway = await open(
    t,
    {
      admin: { port },
      pools: { slow: { backends: [slow.url] } },
      routes: [{ name: 'slow', match: { path: '/slow' }, pool: 'slow' }],
    },
    { ADMIN_PORT: '0' },
  )
  const clients = await connections(t, gateway, slow)
  await until(
    async () => (await callJson('GET', `http://127.0.0.1:${port}/routes`)).json.routes[0].requests.total,
    (total) => total === clients.length,
  )
})
