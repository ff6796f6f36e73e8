import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Fastify from 'fastify'
import leastwise, { type BackendStore, stateFile } from '../../src/index.js'
import { answering, holding } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { openGateway } from '../support/gateway.js'
import { type GatewayProcess, runServer, startGateway } from '../support/process.js'
import { seeded } from '../support/random.js'
import { noSharedPort } from '../support/shared-port.js'

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'leastwise-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

async function started(t: TestContext, env: Record<string, string>): Promise<GatewayProcess> {
  const gateway = await startGateway({ LOG_LEVEL: 'info', ...env })
  t.after(() => gateway.stop('SIGKILL'))
  return gateway
}

/** A backend as far as it has to survive; undefined for one that is not registered. */
type Remembered = { weight: number; state: string } | undefined

/** What one client knows of the backend that it alone changes. */
class Client {
  readonly id: string
  /** As it was acknowledged, and as it may be besides where an answer is missing. */
  possible: Remembered[]

  constructor(id: string, now?: Remembered) {
    this.id = id
    this.possible = [now]
  }

  get now(): Remembered {
    assert.equal(this.possible.length, 1)
    return this.possible[0]
  }

  async change(admin: string, draw: () => number): Promise<void> {
    const { id, now } = this
    const weight = 1 + Math.floor(draw() * 1000)
    const at = `${admin}/backends`
    if (!now) {
      const spec = { url: `http://${id}:1`, id, weight }
      return this.#do({ weight, state: 'active' }, () => callJson('POST', at, spec))
    }
    const kind = Math.floor(draw() * 5)
    if (kind === 0) return this.#do(undefined, () => callJson('DELETE', `${at}/${id}`))
    if (kind === 1) return this.#do(undefined, () => callJson('DELETE', `${at}/${id}?force=true`))
    if (kind === 2)
      return this.#do({ ...now, state: 'draining' }, () => callJson('POST', `${at}/${id}/drain`))
    if (kind === 3)
      return this.#do({ ...now, state: 'active' }, () => callJson('POST', `${at}/${id}/activate`))
    return this.#do({ ...now, weight }, () => callJson('PATCH', `${at}/${id}`, { weight }))
  }

  async #do(next: Remembered, request: () => Promise<{ status: number }>): Promise<void> {
    this.possible.push(next)
    const { status } = await request()
    assert.ok(status >= 200 && status < 300, `${status}`)
    this.possible = [next]
  }
}

test('no change that was acknowledged is lost to kill -9, nothing comes back, and the file is never damaged', async (t) => {
  const home = folder(t)
  const draw = seeded(7)
  const env = {
    STATE_FILE: join(home, 'state.json'),
    BACKENDS: 'http://given0:1;id=given0,http://given1:1;id=given1',
  }
  const given = { weight: 1, state: 'active' }
  const clients = [new Client('given0', given), new Client('given1', given)]
  for (let i = 0; i < 14; i++) clients.push(new Client(`b${i}`))
  let policies = ['least-connections']
  for (let round = 0; round <= 5; round++) {
    const gateway = await started(t, env)
    assert.deepEqual(readdirSync(home), ['state.json'], 'nothing is left of those that were killed')
    const { json } = await callJson('GET', `${gateway.admin}/backends`)
    const found = new Map<string, Remembered>()
    for (const { id, weight, state } of json.backends) found.set(id, { weight, state })
    for (const client of clients) {
      const now = found.get(client.id)
      found.delete(client.id)
      const known = client.possible.some((possible) => JSON.stringify(possible) === JSON.stringify(now))
      assert.ok(known, `${client.id}: ${JSON.stringify({ now, possible: client.possible })}`)
      client.possible = [now]
    }
    assert.equal(found.size, 0)
    const { policy } = (await callJson('GET', `${gateway.admin}/policy`)).json
    assert.ok(policies.includes(policy), `${policy}: ${policies}`)
    policies = [policy]
    if (round === 5) break

    let left = 50 + Math.floor(draw() * 100)
    const repeat = async (change: () => Promise<void>) => {
      try {
        for (;;) {
          await change()
          if (--left === 0) gateway.child.kill('SIGKILL')
        }
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error
      }
    }
    const switching = repeat(async () => {
      const next = policies[0] === 'round-robin' ? 'power-of-two' : 'round-robin'
      policies.push(next)
      assert.equal((await callJson('PUT', `${gateway.admin}/policy`, { policy: next })).status, 200)
      policies = [next]
    })
    await Promise.all([
      switching,
      ...clients.map((client) => repeat(() => client.change(gateway.admin, draw))),
    ])
    JSON.parse(readFileSync(env.STATE_FILE, 'utf8'))
  }
})

test('one that still drains for its removal when the gateway is killed is gone', async (t) => {
  const [held, other] = [await holding(), await answering()]
  t.after(() => Promise.all([held.close(), other.close()]))
  const env = { STATE_FILE: join(folder(t), 'state.json'), BACKENDS: `${held.url};id=held` }
  const first = await started(t, env)
  const request = call(first.url).catch(() => {})
  await held.untilOpen(1)
  assert.equal(
    (await callJson('POST', `${first.admin}/backends`, { url: other.url, id: 'other' })).status,
    201,
  )
  const { json } = await callJson('DELETE', `${first.admin}/backends/held`)
  assert.deepEqual([json.state, json.inFlight], ['draining', 1])
  await first.stop('SIGKILL')
  await request
  const second = await openGateway([], { STATE_FILE: env.STATE_FILE, BACKENDS: env.BACKENDS })
  t.after(() => second.close())
  const views = second.balancer.registry.list().map((backend) => backend.view())
  // Restored ones have no ramp to climb.
  assert.deepEqual(
    views.map(({ id, share }) => [id, share]),
    [['other', 1]],
  )
  assert.equal((await call(second.url)).text, 'ok')
})

test('a file that cannot be used stops the start with one line, and stays as it is', async (t) => {
  const home = folder(t)
  const files: [string, string, RegExp][] = [
    ['empty.json', '', /it is empty/],
    ['other.json', '{"version":99}', /version must be 1/],
  ]
  const check = async (path: string, why: RegExp) => {
    const { code, stdout, stderr } = await runServer({ STATE_FILE: path, PORT: '0', ADMIN_PORT: '0' })
    assert.deepEqual([code, stdout, stderr.split('\n').length], [1, '', 2])
    assert.ok(stderr.startsWith(`leastwise: STATE_FILE ${JSON.stringify(path)} cannot be `), stderr)
    assert.match(stderr, why)
  }
  mkdirSync(join(home, 'folder'))
  await Promise.all([
    ...files.map(async ([name, content, why]) => {
      const path = join(home, name)
      writeFileSync(path, content)
      await check(path, why)
      assert.equal(readFileSync(path, 'utf8'), content)
    }),
    check(join(home, 'folder'), /it is a folder/),
    check(join(home, 'missing', 'state.json'), /its folder is not there/),
  ])
})

test('of two gateways on one file the one that was started last has it, and no change is lost in silence', async (t) => {
  const env = { STATE_FILE: join(folder(t), 'state.json') }
  const first = await started(t, env)
  const second = await openGateway([], env)
  t.after(() => second.close())
  const refused = await callJson('POST', `${first.admin}/backends`, { url: 'http://a:1', id: 'a' })
  assert.deepEqual([refused.status, refused.json.code], [503, 'LEASTWISE_STATE_NOT_SAVED'])
  assert.match(
    refused.json.message,
    /^the change is in force, and not stored: .*: something else has written it/,
  )
  assert.equal((await callJson('GET', `${first.admin}/backends/a`)).status, 200)
  second.balancer.registry.add({ url: 'http://b:1', id: 'b' })
  await second.balancer.keeper?.saved()
  const { backends } = JSON.parse(readFileSync(env.STATE_FILE, 'utf8'))
  assert.deepEqual(
    backends.map(({ id }: { id: string }) => id),
    ['b'],
  )
  const line = await first.line(({ event }) => event === 'state not saved')
  assert.equal(line.level, 50)
  assert.equal(await first.stop(), 0, 'it can be stopped nevertheless')
})

test('a gateway that finds its ports taken leaves the file to the one that serves', async (t) => {
  const path = join(folder(t), 'state.json')
  const first = await started(t, { STATE_FILE: path })
  const before = readFileSync(path, 'utf8')
  const [port, adminPort] = [first.url, first.admin].map((url) => new URL(url).port) as [string, string]
  const severalThreads = noSharedPort ? [] : [{ ADMIN_PORT: adminPort, WORKERS: '2' }]
  for (const env of [{ PORT: port }, { ADMIN_PORT: adminPort }, ...severalThreads]) {
    const { code, stderr } = await runServer({ PORT: '0', ADMIN_PORT: '0', STATE_FILE: path, ...env })
    assert.deepEqual(
      [code, /PORT cannot listen on .*: the address is in use/.test(stderr)],
      [1, true],
      stderr,
    )
    assert.equal(readFileSync(path, 'utf8'), before)
  }
  const added = await callJson('POST', `${first.admin}/backends`, { url: 'http://a:1', id: 'a' })
  assert.equal(added.status, 201)
})

test('a thousand backends that are registered at once share their saves; an app may bring a store of its own', async (t) => {
  const file = stateFile(join(folder(t), 'state.json'))
  let saves = 0
  let broken = false
  const store: BackendStore = {
    name: 'a store',
    load: () => file.load(),
    async save(state) {
      saves++
      if (broken) throw new Error('EIO: broken')
      await file.save(state)
    },
    close: async () => file.close?.(),
  }
  const open = async () => {
    const app = Fastify()
    await app.register(leastwise, { store, admin: { token: 'x' } })
    return app
  }
  const app = await open()
  const send = async (
    method: 'DELETE' | 'GET' | 'PATCH' | 'POST' | 'PUT',
    path: string,
    payload?: object,
  ) => {
    const headers = { authorization: 'Bearer x' }
    const options = { method, url: `/admin${path}`, headers, ...(payload && { payload }) }
    return app.inject(options)
  }
  const answers = await Promise.all(
    Array.from({ length: 1000 }, (_, i) => send('POST', '/backends', { url: `http://b${i}:1` })),
  )
  assert.ok(answers.every(({ statusCode }) => statusCode === 201))
  assert.ok(saves < 500, `${saves} saves`)
  broken = true
  for (const [method, path, body] of [
    ['PATCH', '/backends/b0-1', { weight: 2 }],
    ['POST', '/backends/b1-1/drain'],
    ['POST', '/backends/b1-1/activate'],
    ['DELETE', '/backends/b2-1'],
    ['DELETE', '/backends/b3-1?force=true'],
    ['POST', '/backends', { url: 'http://more:1' }],
    ['PUT', '/policy', { policy: 'round-robin' }],
  ] as const) {
    const answer = await send(method, path, body)
    assert.deepEqual(
      [answer.statusCode, answer.json().code],
      [503, 'LEASTWISE_STATE_NOT_SAVED'],
      `${method} ${path}`,
    )
  }
  assert.equal(app.balancer.policy, 'round-robin')
  assert.equal((await send('GET', '/backends')).statusCode, 200)
  broken = false
  app.balancer.registry.add({ url: 'http://late:1' })
  // What is not stored yet is on closing.
  await app.close()
  const again = await open()
  const { registry, policy } = again.balancer
  assert.deepEqual([registry.size, registry.get('b0-1').weight, policy], [1000, 2, 'round-robin'])
  assert.ok(registry.get('late-1') && registry.get('more-1'))
  await again.close()
})
