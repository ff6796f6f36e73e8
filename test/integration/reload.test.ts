import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { answering, holding, status, TestBackend } from '../support/backend.js'
import { call } from '../support/client.js'
import { type ConfiguredGateway, configuredGateway, type Document } from '../support/configured-gateway.js'
import { freePort } from '../support/process.js'
import { RawBackend, RawClient } from '../support/raw.js'
import { ScriptedBackend } from '../support/scripted-backend.js'
import { until } from '../support/until.js'

type Settings = Record<string, unknown>

/** A file with these pools, and a route to each that has its name. */
function fileOf(pools: Record<string, Settings>, more: Document = {}): Document {
  const routes = Object.keys(pools).map((name) => ({ name, match: { path: `/${name}` }, pool: name }))
  return { pools, routes, ...more }
}

/** What a pool has and goes by. */
function stateOf(gateway: ConfiguredGateway, pool: string) {
  const { registry, policy } = gateway.balancer(pool)
  const backends = registry.list().map((backend) => ({
    id: backend.id,
    url: backend.url,
    weight: backend.weight,
    state: backend.state,
    total: backend.counter.total,
  }))
  return { policy, backends }
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`

describe('a file that is not taken changes nothing', { concurrency: true }, () => {
  test('mistakes are answered with their places, and logged', async (t) => {
    const backend = await answering()
    t.after(() => backend.close())
    const gateway = await configuredGateway(t, fileOf({ users: { backends: [backend.url] } }))
    const mistakes = await gateway.refused(
      'pools:\n  users: { backend: [] }\nroutes:\n  - match: { path: a }\n',
    )
    assert.deepEqual(
      mistakes.map((mistake) => mistake.split(' ').slice(0, 2).join(' ')),
      ['2:12 pools.users.backend', '4:5 routes[0]', '4:20 routes[0].match.path'],
    )
    const line = gateway.lines.find(({ event }) => event === 'reload failed')
    assert.ok(line?.mistakes instanceof Array && line.mistakes.length === 3)
    assert.equal((await call(`${gateway.url}/users`)).status, 200)
  })

  test('a backend of the second pool is refused: the first keeps its backends, counts and policy', async (t) => {
    const [one, other] = [await answering(), await answering()]
    t.after(() => Promise.all([one.close(), other.close()]))
    const pools = (first: Settings, second: Settings) => fileOf({ first, second })
    const gateway = await configuredGateway(
      t,
      pools({ backends: [one.url] }, { backends: [one.url], policy: 'round-robin' }),
    )
    await call(`${gateway.url}/first`)
    gateway.balancer('second').registry.add({ url: 'http://127.0.0.1:1', id: 'mine' })
    gateway.balancer('first').policy = 'power-of-two'
    const before = [stateOf(gateway, 'first'), stateOf(gateway, 'second')]
    const [mistake] = await gateway.refused(
      pools(
        { backends: [{ url: other.url, weight: 3 }], policy: 'weighted-round-robin', maxConnections: 1 },
        { backends: [{ url: one.url, id: 'mine' }], policy: 'power-of-two' },
      ),
    )
    assert.match(mistake as string, /mine/)
    assert.deepEqual([stateOf(gateway, 'first'), stateOf(gateway, 'second')], before)
    assert.equal((await call(`${gateway.url}/first`)).status, 200)
    assert.equal(other.total, 0)
  })

  test('a port is taken: no listener, pool or route changes', async (t) => {
    const [one, other] = [await answering(), await answering()]
    t.after(() => Promise.all([one.close(), other.close()]))
    const free = await freePort()
    const gateway = await configuredGateway(
      t,
      fileOf({ users: { backends: [one.url] } }, { listen: [{ port: 0 }] }),
    )
    const before = stateOf(gateway, 'users')
    const { urls } = gateway
    const [mistake] = await gateway.refused(
      fileOf(
        { users: { backends: [other.url] }, more: {} },
        { listen: [{ port: free }, { port: one.port }] },
      ),
    )
    assert.match(mistake as string, /listen\[1\].*in use/)
    assert.deepEqual(stateOf(gateway, 'users'), before)
    assert.deepEqual(gateway.urls, urls)
    assert.deepEqual([...gateway.gateway.balancers.keys()], ['users'])
    assert.equal((await call(`${gateway.url}/more`)).status, 404)
    // The port that was opened meanwhile is free again.
    const socket = connect(free, '127.0.0.1')
    const [error] = await once(socket, 'error')
    assert.equal(error.code, 'ECONNREFUSED')
  })

  test('what takes a restart is refused', async (t) => {
    const gateway = await configuredGateway(t, fileOf({ users: {} }))
    assert.deepEqual(await gateway.refused(fileOf({ users: {} }, { workers: 2 })), [
      'workers cannot be changed while the gateway runs: it takes a restart',
    ])
  })
})

describe('pools stay by their names', { concurrency: true }, () => {
  test('with counts, health, ejection, drains, backends of the API, and connections', async (t) => {
    const good = await new RawBackend('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok').listen()
    const bad = await new TestBackend(status(500)).listen()
    t.after(() => Promise.all([good.close(), bad.close()]))
    const pool = (more: Settings) =>
      fileOf({
        users: {
          backends: [
            { url: good.url, id: 'good' },
            { url: bad.url, id: 'bad' },
          ],
          ejectConsecutive: 1,
          ejectBase: 60_000,
          retryStatus: '',
          slowStart: 0,
          ...more,
        },
      })
    const gateway = await configuredGateway(t, pool({}))
    const { registry } = gateway.balancer('users')
    registry.add({ url: 'http://127.0.0.1:1', id: 'mine' })
    registry.drain('mine')
    // One of both is ejected by its first failure, so that the other gets what follows.
    await until(
      async () => {
        await call(`${gateway.url}/users`)
        return registry.get('bad').isEjected
      },
      (isEjected) => isEjected,
    )
    await call(`${gateway.url}/users`)
    const before = stateOf(gateway, 'users')
    const { connections } = good
    const ewma = registry.get('good').latency.summary().ewma
    assert.notEqual(ewma, undefined)
    await gateway.reload(pool({ queueLimit: 7, responseTimeout: 5000 }))
    assert.deepEqual(stateOf(gateway, 'users'), before)
    assert.equal(registry, gateway.balancer('users').registry)
    assert.ok(registry.get('bad').isEjected)
    assert.equal(registry.get('good').latency.summary().ewma, ewma)
    await call(`${gateway.url}/users`)
    assert.equal(good.connections, connections)
  })

  test('a pool that is left out ends with its requests, and begins anew when it comes back', async (t) => {
    const backend = await holding()
    t.after(() => backend.close())
    const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const both = fileOf({ users: { backends: [backend.url] }, other: { backends: [backend.url] } })
    const gateway = await configuredGateway(t, both, {
      env: { ADMIN_PORT: '0', STATE_FILE: join(folder, 'state.json') },
    })
    const client = new RawClient(gateway.url).send(get('/users'))
    await backend.untilOpen(1)
    const left = gateway.balancer('users')
    await gateway.reload(fileOf({ other: { backends: [backend.url] } }))
    assert.equal(gateway.balancer('users'), undefined)
    assert.equal((await call(`${gateway.url}/users`)).status, 404)
    await gateway.reload(both)
    assert.notEqual(gateway.balancer('users'), left)
    assert.equal(gateway.balancer('users').registry.inFlight, 0)
    const second = new RawClient(gateway.url).send(get('/users'))
    await backend.untilOpen(2)
    const metrics = await gateway.admin?.inject('/metrics')
    const inFlight = metrics?.body.match(/^leastwise_backend_in_flight\{.*pool="users".*$/gm)
    assert.equal(inFlight?.length, 1, metrics?.body)
    assert.deepEqual([left.registry.inFlight, gateway.balancer('users').registry.inFlight], [1, 1])
    backend.release()
    await Promise.all([client.until('held'), second.until('held')])
    await until(
      () => left.registry.inFlight,
      (count) => count === 0,
    )
    client.close()
    second.close()
  })

  test('a backend that is left out gets no request, and finishes those that it has', async (t) => {
    const [slow, other] = [await holding(), await answering()]
    t.after(() => Promise.all([slow.close(), other.close()]))
    const gateway = await configuredGateway(t, fileOf({ users: { backends: [slow.url] } }))
    const client = new RawClient(gateway.url).send(get('/users'))
    await slow.untilOpen(1)
    await gateway.reload(fileOf({ users: { backends: [other.url] } }))
    const { registry } = gateway.balancer('users')
    assert.deepEqual(
      registry.list().map(({ url, state }) => [url, state]),
      [
        [slow.url, 'draining'],
        [other.url, 'active'],
      ],
    )
    for (let i = 0; i < 5; i++) assert.equal((await call(`${gateway.url}/users`)).text, 'ok')
    slow.release()
    await client.until('held')
    await until(
      () => registry.size,
      (size) => size === 1,
    )
    client.close()
  })
})

describe('requests under way finish by the rules with which they began', { concurrency: true }, () => {
  test('a response, an upload and a stream, whose route is gone', async (t) => {
    const slow = await holding()
    const echo = await new ScriptedBackend().listen()
    t.after(() => Promise.all([slow.close(), echo.close()]))
    const pools = { slow: { backends: [slow.url] }, echo: { backends: [echo.url] } }
    const routes = [
      {
        match: { path: '/slow' },
        pool: 'slow',
        headers: { response: { set: { 'x-rules': 'first' } } },
      },
      { match: { path: '/' }, pool: 'echo' },
    ]
    const gateway = await configuredGateway(t, { pools, routes })
    const response = new RawClient(gateway.url).send(get('/slow'))
    const upload = new RawClient(gateway.url)
    upload.send('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345')
    const stream = new RawClient(gateway.url).send(get('/stream'))
    await Promise.all([slow.untilOpen(1), upload.until('12345'), stream.until('first')])
    await gateway.reload({ pools, routes: [{ match: { path: '/new' }, pool: 'slow' }] })
    slow.release()
    assert.match(await response.until('held'), /x-rules: first/)
    await upload.send('67890').until('67890')
    assert.ok(!stream.socket.readableEnded)
    // The next request on the connection finds the new routes.
    response.text = ''
    assert.match(await response.send(get('/slow')).until('}'), /^HTTP\/1\.1 404.*LEASTWISE_NO_ROUTE/s)
    for (const client of [response, upload, stream]) client.close()
  })

  test('requests that a client has sent ahead are answered in order, each by the rules of its time', async (t) => {
    const slow = await holding()
    const fast = await answering()
    t.after(() => Promise.all([slow.close(), fast.close()]))
    const file = (name: string) => ({
      pools: { slow: { backends: [slow.url] }, fast: { backends: [fast.url] } },
      routes: ['slow', 'fast'].map((pool) => ({
        name: pool,
        match: { path: `/${pool}` },
        pool,
        headers: { response: { set: { 'x-rules': name } } },
      })),
    })
    const gateway = await configuredGateway(t, file('first'))
    const client = new RawClient(gateway.url).send(get('/slow') + get('/fast'))
    await slow.untilOpen(1)
    await until(
      () => fast.total,
      (total) => total === 1,
    )
    await gateway.reload(file('second'))
    client.send(get('/fast'))
    await until(
      () => fast.total,
      (total) => total === 2,
    )
    slow.release()
    const text = await client.until(/(ok[\s\S]*){2}$/)
    assert.deepEqual(text.match(/x-rules: \w+/g), ['x-rules: first', 'x-rules: first', 'x-rules: second'])
    client.close()
  })

  test('a WebSocket outlives reloads, with its route and without, until its pool has gone', async (t) => {
    const backend = await new ScriptedBackend().listen()
    t.after(() => backend.close())
    const users = { backends: [backend.url], drainTimeout: 100 }
    const other = { backends: [backend.url] }
    const gateway = await configuredGateway(t, fileOf({ users, other }))
    const client = new RawClient(gateway.url)
    client.send('GET /users HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    await client.until(' 101 ')
    let sent = 0
    const isAlive = async () => {
      sent++
      await client.send(`<${sent}>`).until(`<${sent}>`)
    }
    await gateway.reload(fileOf({ users: { ...users, retries: 0 }, other }))
    await isAlive()
    const routes = [{ match: { path: '/other' }, pool: 'other' }]
    await gateway.reload({ pools: { users, other }, routes })
    await isAlive()
    await gateway.reload({ pools: { other }, routes })
    await isAlive()
    // The time for a drain ends it.
    await client.untilClosed()
  })
})

describe('listeners', { concurrency: true }, () => {
  const file = (backend: TestBackend, ports: number[], more: Settings = {}) =>
    fileOf({ users: { backends: [backend.url], ...more } }, { listen: ports.map((port) => ({ port })) })

  test('that stay keep port and connections, others come and go', async (t) => {
    const backend = await answering()
    t.after(() => backend.close())
    const [stays, goes, comes] = [await freePort(), await freePort(), await freePort()]
    const at = (port: number) => `http://127.0.0.1:${port}`
    const gateway = await configuredGateway(t, file(backend, [stays, goes]))
    const kept = new RawClient(at(stays)).send(get('/users'))
    const left = new RawClient(at(goes)).send(get('/users'))
    await Promise.all([kept.until(/ok$/), left.until(/ok$/)])
    await gateway.reload(file(backend, [comes, stays]))
    assert.deepEqual(gateway.urls, [at(comes), at(stays)])
    assert.equal((await call(`${at(comes)}/users`)).status, 200)
    kept.text = ''
    await kept.send(get('/users')).until(/ok$/)
    // A connection of a listener that is gone gets an answer, too.
    left.text = ''
    await left.send(get('/users')).until(/ok$/)
    await until(
      () =>
        new Promise((resolve) => {
          const socket = connect(goes, '127.0.0.1').on('error', resolve)
          socket.on('connect', () => resolve(socket.destroy()))
        }),
      (error) => (error as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED',
    )
    kept.close()
    left.close()
  })

  test('that go and come back at once are opened again', async (t) => {
    const backend = await answering()
    t.after(() => backend.close())
    const port = await freePort()
    const gateway = await configuredGateway(t, file(backend, [0, port]))
    const client = new RawClient(`http://127.0.0.1:${port}`).send(get('/users'))
    await client.until(/ok$/)
    for (let i = 0; i < 3; i++) {
      await gateway.reload(file(backend, [0]))
      await gateway.reload(file(backend, [0, port]))
      assert.equal((await call(`http://127.0.0.1:${port}/users`)).status, 200)
    }
    client.close()
  })

  test('of any free port keep theirs', async (t) => {
    const backend = await answering()
    t.after(() => backend.close())
    const gateway = await configuredGateway(t, file(backend, [0, 0]))
    const { urls } = gateway
    await gateway.reload(file(backend, [0, 0], { retries: 0 }))
    assert.deepEqual(gateway.urls, urls)
    await gateway.reload(file(backend, [0, 0, 0], { retries: 0 }))
    assert.deepEqual(gateway.urls.slice(0, 2), urls)
    await gateway.reload(file(backend, [0], { retries: 0 }))
    assert.deepEqual(gateway.urls, urls.slice(0, 1))
  })
})

describe('reloads and the end of the gateway', { concurrency: true }, () => {
  test('several reloads at once come into force one after the other', async (t) => {
    const backend = await answering()
    t.after(() => backend.close())
    const gateway = await configuredGateway(t, fileOf({ users: { backends: [backend.url] } }))
    gateway.file.write(fileOf({ other: { backends: [backend.url] } }))
    const { reloads } = gateway.gateway
    const reports = await Promise.all(Array.from({ length: 100 }, () => reloads.reload()))
    assert.deepEqual(
      reports.map(({ changes }) => changes.length),
      [4, ...Array.from({ length: 99 }, () => 0)],
    )
    assert.equal((await call(`${gateway.url}/other`)).status, 200)
  })

  test('requests of a pool that was left out are waited for by the end, and cut at its time', async (t) => {
    const backend = await holding()
    t.after(() => backend.close())
    const [users, other] = [{ backends: [backend.url] }, {}]
    for (const [timeout, cut] of [
      [60_000, 0],
      [50, 1],
    ] as const) {
      const gateway = await configuredGateway(t, fileOf({ users, other }))
      const client = new RawClient(gateway.url).send(get('/users'))
      await backend.untilOpen(1)
      await gateway.reload(fileOf({ other }))
      const closed = gateway.close(timeout)
      if (cut === 0) {
        backend.release()
        await client.until('held')
      }
      await client.untilClosed()
      assert.equal(await closed, cut)
      await backend.untilOpen(0)
    }
  })

  test('a reload that runs is waited for by the end, and one that is asked for later is refused', async (t) => {
    const backend = await answering()
    t.after(() => backend.close())
    const gateway = await configuredGateway(t, fileOf({ users: { backends: [backend.url] } }))
    const reload = gateway.reload(fileOf({ other: { backends: [backend.url] } }))
    const closed = gateway.close(1000)
    const outcome = await reload.then(
      () => 'taken',
      (error: Error) => error.message,
    )
    assert.match(outcome, /taken|shutting down/)
    assert.match((await gateway.refused({ pools: {} })).join(), /shutting down/)
    assert.equal(await closed, 0)
  })
})
