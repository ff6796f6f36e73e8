import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import Fastify from 'fastify'
import { adminRoutes } from '../../routes/admin.js'
import { type BackendSpec, Balancer, type PanicMode } from '../../src/balancer/index.js'
import { commandsWith } from '../support/command.js'
import { startGateway } from '../support/process.js'

/** Calls the admin API of a pool of these backends, called a, b, …. */
async function pool(t: TestContext, backends: Partial<BackendSpec>[], panic: PanicMode = 'ejected') {
  const specs = backends.map((more, i) => ({ url: `http://10.0.0.${i}:80`, id: 'abc'[i] as string, ...more }))
  const balancer = new Balancer({ backends: specs, panic })
  const app = Fastify()
  await app.register(adminRoutes, { pools: new Map([['default', balancer]]), token: undefined })
  t.after(() => app.close())
  const send = async (method: 'POST' | 'DELETE', url: string) => {
    const { statusCode, body } = await app.inject({ method, url, headers: { host: 'localhost' } })
    return { statusCode, warning: body ? JSON.parse(body).warning : undefined }
  }
  return { registry: balancer.registry, send }
}

const served503 = /^no other backend than . is usable: clients are answered 503 now$/
const sick = /^no other backend than . is usable: requests go to ejected or unhealthy ones now$/

test('a drain and a removal warn where nobody else is usable', async (t) => {
  for (const [method, url] of [
    ['POST', '/backends/a/drain'],
    ['DELETE', '/backends/a'],
  ] as const) {
    const { send } = await pool(t, [{}])
    const { statusCode, warning } = await send(method, url)
    assert.equal(statusCode, 202)
    assert.match(warning, served503)
  }
})

test('there is no warning while others are usable, or where the backend got nothing anyway', async (t) => {
  const { send, registry } = await pool(t, [{}, {}, {}])
  assert.equal((await send('POST', '/backends/a/drain')).warning, undefined)
  registry.setHealth('b', 'unhealthy')
  assert.equal((await send('DELETE', '/backends/b')).warning, undefined)
  assert.match((await send('POST', '/backends/c/drain')).warning, served503)
  assert.equal((await send('POST', '/backends/c/drain')).warning, undefined, 'it drains already')
  assert.equal((await send('DELETE', '/backends/c')).warning, undefined)
})

test('a backup that is usable is somebody else, and one that stands by is nobody to miss', async (t) => {
  const { send, registry } = await pool(t, [{}, { backup: true }])
  assert.equal((await send('POST', '/backends/a/drain')).warning, undefined)
  assert.match((await send('POST', '/backends/b/drain')).warning, served503)
  registry.activate('a')
  registry.activate('b')
  assert.equal((await send('DELETE', '/backends/b')).warning, undefined)
})

test('where health is ignored in the end, the warning says who gets the requests', async (t) => {
  const { send, registry } = await pool(t, [{}, {}])
  registry.eject(registry.get('b'), 60_000)
  assert.match((await send('POST', '/backends/a/drain')).warning, sick)
  assert.match((await send('POST', '/backends/b/drain')).warning, served503, 'it was all that was left')
  const strict = await pool(t, [{}, {}], 'off')
  strict.registry.eject(strict.registry.get('b'), 60_000)
  assert.match((await strict.send('POST', '/backends/a/drain')).warning, served503)
})

test('force removes at once and says nothing', async (t) => {
  const { send } = await pool(t, [{}])
  assert.deepEqual(await send('DELETE', '/backends/a?force=true'), { statusCode: 204, warning: undefined })
})

test('the command wants --force for the last usable backend', async (t) => {
  const gateway = await startGateway({ BACKENDS: 'http://127.0.0.1:1;id=a,http://127.0.0.1:2;id=b' })
  t.after(() => gateway.stop('SIGKILL'))
  const run = commandsWith({ LEASTWISE_URL: gateway.admin })
  const says = async (line: string, stdout: string, stderr = '', code = 0) => {
    assert.deepEqual(await run(line), { code, stdout, stderr }, line)
  }
  const refused = (how: string) =>
    `leastwise: LEASTWISE_LAST_BACKEND: b is the last usable backend: without it clients are answered 503; ${how}\n`
  const removal = 'drain --force and then remove lets its requests finish, remove --force cuts them'
  await says('backends drain a', 'drained a\n')
  await says('backends drain b', '', refused('--force drains it all the same'), 1)
  await says('backends remove b', '', refused(removal), 1)
  const json = await run('backends drain b --json')
  assert.deepEqual([json.code, json.stdout, JSON.parse(json.stderr).code], [1, '', 'LEASTWISE_LAST_BACKEND'])
  await says('backends drain b --force', 'drained b\n')
  await says('backends drain b', 'drained b\n')
  await says('backends activate b', 'activated b\n')
  const warned = await run('backends drain b --force --json')
  assert.match(JSON.parse(warned.stdout).warning, served503)
  await says('backends remove b', 'removed b\n')
  await says('backends activate a', 'activated a\n')
  await says('backends remove a --force', 'removed a\n')
  await says(
    'backends drain a',
    '',
    'leastwise: LEASTWISE_BACKEND_NOT_FOUND: there is no backend with id "a"\n',
    1,
  )
})

test('for the command a backend whose name has no address is nobody who is left', async (t) => {
  const gateway = await startGateway({ BACKENDS: 'http://127.0.0.1:1;id=a,http://no.such.invalid:1;id=b' })
  t.after(() => gateway.stop('SIGKILL'))
  await gateway.line(
    ({ event, backend, reason }) => event === 'health' && backend === 'b' && reason !== undefined,
  )
  const run = commandsWith({ LEASTWISE_URL: gateway.admin })
  const { code, stderr } = await run('backends drain a')
  assert.equal(code, 1)
  assert.match(stderr, /LEASTWISE_LAST_BACKEND: a is the last usable backend/)
  assert.equal((await run('backends drain b')).code, 0, 'it takes nothing away')
})
