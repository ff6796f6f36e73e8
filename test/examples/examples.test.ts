import assert from 'node:assert/strict'
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, type TestContext, test } from 'node:test'
import { parse } from 'yaml'
import { parseConfig } from '../../src/config/environment.js'
import { settingNames, variable } from '../../src/config/settings.js'
import { spawn } from '../support/children.js'
import { call, callJson, load } from '../support/client.js'
import { root, start, startGateway } from '../support/process.js'

const examples = join(root, 'examples')
const read = (path: string) => readFileSync(join(examples, path), 'utf8')

/** Starts a program of the examples on a free port, and waits until it says where it listens. */
async function startExample(t: TestContext, path: string, env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [join(examples, path)], {
    env: { PATH: process.env.PATH, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<number | null>((done) => child.once('exit', done))
  t.after(() => child.kill('SIGKILL'))
  const url = await new Promise<string>((done, fail) => {
    child.once('exit', (code) => fail(new Error(`${path} ended with ${code} before it listened`)))
    createInterface({ input: child.stdout }).on('line', (line) => {
      const address = /listen(?:s|ing) at (http:[^\s"]+)/.exec(line)?.[1]
      if (address) done(address)
    })
  })
  return {
    url,
    async stop() {
      child.kill('SIGTERM')
      return await ended
    },
  }
}

function twoBackends(t: TestContext, path = 'backend/server.mjs') {
  return Promise.all([startExample(t, path), startExample(t, path)])
}

const urls = (programs: { url: string }[]) => programs.map(({ url }) => url).join()

describe('examples', { concurrency: true }, () => {
  test('every folder has a README, which is in the list', () => {
    const folders = readdirSync(examples, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    for (const { name } of folders) {
      assert.match(read('README.md'), new RegExp(`\\[${name}\\]\\(${name}\\)`))
      for (const [, path = ''] of read(`${name}/README.md`).matchAll(/\bnode (examples\/\S+)/g))
        assert.ok(existsSync(join(root, path)), path)
    }
    for (const [, target = ''] of read('README.md').matchAll(/\]\(([^)#]+)\)/g))
      assert.ok(existsSync(join(examples, target)), target)
  })

  test('plugin-auth lets in who has a token, and tells the backend who that is', async (t) => {
    const backends = await twoBackends(t)
    const app = await startExample(t, 'plugin-auth/app.js', {
      BACKENDS: urls(backends),
      JWT_SECRET: 'secret',
    })
    assert.equal((await call(`${app.url}/api/orders`)).status, 401)
    const { json } = await callJson('POST', `${app.url}/login`, { user: 'ali' })
    const headers = { authorization: `Bearer ${json.token}`, 'x-user': 'somebody else' }
    const { status, text } = await call(`${app.url}/api/orders`, { headers })
    const { backend: _backend, ...told } = JSON.parse(text)
    assert.deepEqual([status, told], [200, { path: '/orders', user: 'ali', client: '127.0.0.1' }])
    assert.equal(await app.stop(), 0)
  })

  test('gateway runs its file, and does what its README says', async (t) => {
    const [users, next] = await Promise.all(
      ['users', 'next'].map((NAME) => startExample(t, 'backend/server.mjs', { NAME })),
    )
    const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
    t.after(() => rmSync(folder, { recursive: true }))
    copyFileSync(join(examples, 'gateway/api-keys'), join(folder, 'api-keys'))
    const file = join(folder, 'gateway.yaml')
    const text = read('gateway/gateway.yaml')
      .replace('http://127.0.0.1:8081', users?.url as string)
      .replace('http://127.0.0.1:8082', next?.url as string)
      .replace('port: 8080', 'port: 0')
      .replace('port: 3001', 'port: 0')
    writeFileSync(file, text)
    const gateway = await startGateway({ CONFIG_FILE: file })
    t.after(() => gateway.stop())
    const at = async (path: string, headers: Record<string, string> = {}) => {
      const { status, text: body } = await call(`${gateway.url}${path}`, { headers })
      const { backend, path: seen, user } = JSON.parse(body || '{}')
      return [status, backend, seen, user].filter((part) => part !== undefined)
    }
    assert.deepEqual(await at('/users/7'), [200, 'users', '/7'])
    assert.deepEqual(await at('/users/7', { 'x-version': '2' }), [200, 'next', '/7'])
    assert.deepEqual(await at('/reports'), [401])
    const [status, backend, seen, user] = await at('/reports', { 'x-api-key': 'let-me-in' })
    assert.deepEqual([status, backend, seen, typeof user], [200, 'users', '/reports', 'string'])
    const moved = await fetch(`${gateway.url}/old`, { redirect: 'manual' })
    assert.deepEqual([moved.status, moved.headers.get('location')], [308, '/users'])
  })

  test('websocket reaches a backend', async (t) => {
    const backends = await twoBackends(t, 'websocket/backend.js')
    const app = await startExample(t, 'websocket/app.js', { BACKENDS: urls(backends) })
    const client = join(examples, 'websocket/client.js')
    const { code, stdout } = await start([client, `${app.url.replace('http', 'ws')}/chat/room`, 'hello'])
      .ended
    assert.equal(code, 0)
    assert.match(stdout, /^\/room on port \d+: hello\n$/)
    assert.equal(await app.stop(), 0)
  })

  test('discovery: backends come and go under load, and no request fails', async (t) => {
    const gateway = await startGateway({ BACKENDS: '', ADMIN_TOKEN: 'secret', RETRIES: '0', SLOW_START: '0' })
    t.after(() => gateway.stop('SIGKILL'))
    const register = () =>
      startExample(t, 'discovery/backend.js', { GATEWAYS: gateway.admin, ADMIN_TOKEN: 'secret' })
    const first = await register()
    const stop = new AbortController()
    const running = load(gateway.url, { concurrency: 4, method: 'POST', stop: stop.signal })
    const second = await register()
    assert.equal(await first.stop(), 0)
    const { text } = await call(gateway.url)
    assert.equal(text, `served by backend-${new URL(second.url).port}\n`)
    stop.abort()
    assert.deepEqual([...(await running).keys()], [200])
    assert.equal(await second.stop(), 0)
    const authorization = { authorization: 'Bearer secret' }
    const { json } = await callJson('GET', `${gateway.admin}/backends`, undefined, authorization)
    assert.deepEqual(json.backends, [])
  })

  // There need not be a Docker here: what the containers run is run on loopback.
  test('gateway-compose holds together, and its gateway serves', async (t) => {
    const { services } = parse(read('gateway-compose/compose.yaml'), { merge: true })
    const { gateway, ...backends } = services
    const context = resolve(examples, 'gateway-compose', gateway.build.context)
    assert.equal(`${context}/`, root)
    assert.ok(existsSync(join(context, gateway.build.dockerfile)))
    assert.deepEqual(Object.keys(gateway.depends_on), Object.keys(backends))

    const env: Record<string, string> = { ...gateway.environment, ADMIN_TOKEN: 'secret' }
    assert.match(gateway.environment.ADMIN_TOKEN, /^\$\{ADMIN_TOKEN:\?/, 'nobody starts it without a token')
    const known = new Set(settingNames.map(variable))
    for (const name of Object.keys(env)) assert.ok(known.has(name), `${name} is a setting`)
    const settings = parseConfig(env)
    assert.deepEqual(gateway.ports, [
      `${settings.port}:${settings.port}`,
      `127.0.0.1:${settings.adminPort}:${settings.adminPort}`,
    ])
    assert.ok(Number.parseInt(gateway.stop_grace_period, 10) * 1000 > settings.shutdownTimeout)

    let list = env.BACKENDS ?? ''
    for (const [name, service] of Object.entries<typeof gateway>(backends)) {
      const [from, to] = service.volumes[0].split(':')
      assert.deepEqual([to, service.command[0]], [service.working_dir, 'node'])
      const folder = resolve(examples, 'gateway-compose', from).slice(examples.length + 1)
      const here = { NAME: service.environment.NAME, HOST: '127.0.0.1' }
      const backend = await startExample(t, join(folder, service.command[1]), here)
      assert.ok(list.includes(`http://${name}:${service.environment.PORT};id=${name}`))
      list = list.replace(`http://${name}:${service.environment.PORT}`, backend.url)
      const [, , ...check] = service.healthcheck.test.map((word: string) =>
        word.replace(`http://127.0.0.1:${service.environment.PORT}`, backend.url),
      )
      assert.equal((await start(check).ended).code, 0)
    }
    const served = await startGateway({ ...env, BACKENDS: list, ADMIN_HOST: '127.0.0.1', SLOW_START: '0' })
    t.after(() => served.stop('SIGKILL'))
    const answers = new Set<string>()
    for (let i = 0; i < 4; i++) answers.add(JSON.parse((await call(served.url)).text).backend)
    assert.deepEqual([...answers].sort(), Object.keys(backends))
    assert.equal(await served.stop(), 0)
  })
})
