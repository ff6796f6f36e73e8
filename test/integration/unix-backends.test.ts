import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { answering, status, TestBackend } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { commandsWith } from '../support/command.js'
import { healthLine, startGateway } from '../support/process.js'

const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
after(() => rmSync(folder, { recursive: true }))

test('Unix sockets are registered, shown, stored and found again, however their paths are written', async (t) => {
  const state = join(folder, 'state')
  const odd = join(folder, 'a b,c;d%é?.sock')
  const oddUrl = `unix:${folder}/a%20b%2Cc%3Bd%25%C3%A9%3F.sock`
  const plain = join(folder, 'plain.sock')
  const backends = await Promise.all([answering(0, odd), answering(0, plain)])
  t.after(() => Promise.all(backends.map((backend) => backend.close())))

  const env = {
    BACKENDS: `${oddUrl};id=odd;weight=2`,
    STATE_FILE: state,
    POLICY: 'round-robin',
    SLOW_START: '0',
  }
  const first = await startGateway(env)
  t.after(() => first.stop('SIGKILL'))
  const post = (body: object) => callJson('POST', `${first.admin}/backends`, body)
  for (const [body, code, message] of [
    [{ url: `UNIX:${folder}/a b,c;d%25%C3%A9%3f.sock` }, 400, /^url must not have blanks/],
    [
      { url: `UNIX:${folder}/a%20b,c;d%25é%3f.sock` },
      409,
      /^a backend with url unix:.* is registered already$/,
    ],
    [
      { url: `unix:/${'a'.repeat(107)}` },
      400,
      /^url has a path of 108 bytes, and a Unix socket has at most 107$/,
    ],
    [{ url: 'unix:plain.sock' }, 400, /^url must have an absolute path/],
    [{ url: `unix:${plain}`, healthPort: 9000 }, 400, /^healthPort is not for a Unix socket/],
  ] as const) {
    const { status, json } = await post(body)
    assert.equal(status, code, JSON.stringify(json))
    assert.match(json.message, message)
  }

  const run = commandsWith({ LEASTWISE_URL: first.admin })
  const added = await run(`backends add unix:${plain} --json`)
  assert.deepEqual([added.code, added.stderr], [0, ''])
  const { id, url } = JSON.parse(added.stdout)
  assert.equal(url, `unix:${plain}`)
  assert.match(id, /plain\.sock$/)
  assert.match(
    (await run('backends list')).stdout,
    new RegExp(`^odd +${oddUrl.replaceAll('?', '\\?')} `, 'm'),
  )
  const patched = await callJson('PATCH', `${first.admin}/backends/${id}`, { weight: 3, healthPort: null })
  assert.deepEqual([patched.status, patched.json.weight, patched.json.healthPort], [200, 3, null])
  const refused = await callJson('PATCH', `${first.admin}/backends/${id}`, { weight: 4, healthPort: 9000 })
  assert.deepEqual([refused.status, refused.json.code], [400, 'LEASTWISE_INVALID_BACKEND'])
  for (let i = 0; i < 4; i++) assert.equal((await call(first.url)).status, 200)
  const { text: metrics } = await call(`${first.admin}/metrics`)
  assert.ok(metrics.includes(`backend="${id}"`))
  await first.stop()
  assert.deepEqual(
    JSON.parse(readFileSync(state, 'utf8')).backends.map((one: { url: string }) => one.url),
    [oddUrl, `unix:${plain}`],
  )

  const second = await startGateway(env)
  t.after(() => second.stop('SIGKILL'))
  const { json } = await callJson('GET', `${second.admin}/backends`)
  assert.deepEqual(
    json.backends.map((one: Record<string, unknown>) => [one.id, one.url, one.weight]),
    [
      ['odd', oddUrl, 2],
      [id, `unix:${plain}`, 3],
    ],
  )
  const before = backends.map(({ total }) => total)
  for (let i = 0; i < 4; i++) assert.equal((await call(second.url)).status, 200)
  assert.deepEqual(
    backends.map(({ total }, i) => total > (before[i] as number)),
    [true, true],
  )
})

test('active checks go over the socket, whatever HEALTH_PORT is, and see a server come and go', async (t) => {
  const path = join(folder, 'checked.sock')
  const open = () => new TestBackend(status(200)).listen(path)
  const gateway = await startGateway({
    BACKENDS: `unix:${path};id=a`,
    HEALTH_PATH: '/healthz',
    HEALTH_PORT: '1',
    HEALTH_INTERVAL: '30',
    HEALTH_RISE: '1',
    HEALTH_FALL: '1',
  })
  t.after(() => gateway.stop('SIGKILL'))
  await healthLine(gateway, 'a', 'unhealthy')
  const { json } = await callJson('GET', `${gateway.admin}/backends/a`)
  assert.deepEqual([json.lastCheck.passed, json.lastCheck.detail], [false, 'ENOENT'])
  assert.equal((await call(gateway.url)).status, 503)
  for (let round = 0; round < 2; round++) {
    const known = gateway.lines.length
    const backend = await open()
    t.after(() => backend.close())
    await healthLine(gateway, 'a', 'healthy', known)
    assert.equal(backend.seen[0]?.url, '/healthz')
    // Later checks have the Host with which a request went well.
    if (round === 0) assert.equal(backend.seen[0]?.headers.host, 'localhost')
    assert.equal((await call(gateway.url)).status, 200)
    await backend.close()
    await healthLine(gateway, 'a', 'unhealthy', known)
  }
})
