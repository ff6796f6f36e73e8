import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { answering, TestBackend } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { type GatewayProcess, root, startGateway } from '../support/process.js'
import { RawClient } from '../support/raw.js'

const server = join(root, 'dist/src/gateway/main.js')
const noPrlimit = spawnSync('prlimit', ['--version']).error && 'there is no prlimit'
const CHECKS = { HEALTH_PATH: '/', HEALTH_INTERVAL: '50', HEALTH_FALL: '1', EJECT_CONSECUTIVE: '1' }

async function twoBackends(t: TestContext) {
  const backends = [await answering(), await answering()]
  t.after(() => Promise.all(backends.map((backend) => backend.close())))
  return backends.map(({ url }, i) => `${url};id=${'ab'[i]}`).join()
}

/** What is known of the backends, as far as somebody could be blamed. */
async function blamed({ admin }: GatewayProcess) {
  const { json } = await callJson('GET', `${admin}/backends`)
  return json.backends.map(({ id, health, failed, share }: Record<string, unknown>) => [
    id,
    health,
    failed,
    share,
  ])
}

const wellAndFree = [
  ['a', 'healthy', 0, 1],
  ['b', 'healthy', 0, 1],
]

const lackLines = ({ lines }: GatewayProcess) => lines.filter(({ event }) => event === 'own lack')

test('a gateway without descriptors answers 503, blames nobody, and is well again when clients have left', {
  skip: noPrlimit,
}, async (t) => {
  const held: ServerResponse[] = []
  let holds = true
  const backends = await Promise.all(
    [1, 2].map(() =>
      new TestBackend((request, response) => {
        if (request.url === '/held' && holds) held.push(response)
        else response.end('ok')
      }).listen(),
    ),
  )
  t.after(() => Promise.all(backends.map((backend) => backend.close())))
  const gateway = await startGateway({
    ...CHECKS,
    BACKENDS: backends.map(({ url }, i) => `${url};id=${'ab'[i]}`).join(),
    STATE_FILE: join(mkdtempSync(join(tmpdir(), 'leastwise-')), 's'),
  })
  t.after(() => gateway.stop('SIGKILL'))
  for (const id of ['a', 'b']) {
    await gateway.line(
      ({ event, backend, health }) => event === 'health' && backend === id && health === 'healthy',
    )
  }
  // Not from the start: Node 20 opens more files at once to load the program.
  spawnSync('prlimit', ['--pid', String(gateway.child.pid), '--nofile=64'])
  const known = gateway.lines.length

  const clients = Array.from({ length: 150 }, () => new RawClient(gateway.url))
  const ask = async (client: RawClient) => {
    await once(client.socket, 'connect')
    client.send('GET /held HTTP/1.1\r\nHost: a\r\n\r\n')
    return client.until(/\r\n\r\n[\s\S]*(ok|\})/)
  }
  const asked = Promise.allSettled(clients.map(ask))
  await Promise.any(clients.map((client) => client.until('HTTP/1.1 503')))
  holds = false
  for (const response of held) response.end('ok')
  const answers = await asked
  const texts = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  const refused = texts.filter((text) => text.startsWith('HTTP/1.1 503'))
  for (const text of texts) assert.match(text, /^HTTP\/1\.1 (200|503) /)
  for (const text of refused) {
    assert.match(text, /"code":"LEASTWISE_OVERLOADED"/)
    assert.match(text, /^retry-after: \d+\r$/im)
    assert.match(text, /^connection: close\r$/im)
  }
  assert.ok(refused.length > 0, `of ${texts.length} answers`)
  await gateway.line(({ event }) => event === 'own lack')
  for (const client of clients) client.close()

  let status = 0
  while (status !== 200) status = (await call(gateway.url).catch(() => ({ status: 0 }))).status
  for (let i = 0; i < 20; i++) assert.equal((await call(gateway.url)).status, 200)
  assert.deepEqual(await blamed(gateway), wellAndFree)
  assert.deepEqual(
    lackLines(gateway).map(({ code, limit, setting }) => [code, limit, setting]),
    [['EMFILE', '64', 'ulimit -n']],
  )
  assert.match(String(lackLines(gateway)[0]?.msg), /no file descriptors left \(EMFILE; ulimit -n is 64\)/)
  const changes = gateway.lines.slice(known).filter(({ event }) => event === 'health' || event === 'outage')
  assert.deepEqual(changes, [])
  const drained = await callJson('POST', `${gateway.admin}/backends/a/drain`, {})
  assert.equal(drained.status, 202, 'the state file can be written again')
})

test('clients that keep connections they do not use give way where descriptors are short', {
  skip: noPrlimit,
}, async (t) => {
  const gateway = await startGateway({ ...CHECKS, BACKENDS: await twoBackends(t) })
  t.after(() => gateway.stop('SIGKILL'))
  spawnSync('prlimit', ['--pid', String(gateway.child.pid), '--nofile=64'])
  const clients: RawClient[] = []
  t.after(() => {
    for (const client of clients) client.close()
  })
  while (lackLines(gateway).length === 0) {
    const client = new RawClient(gateway.url).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    clients.push(client)
    await client.until(/\r\n\r\n[\s\S]*(ok|\})/).catch(() => {})
  }
  let status = 0
  while (status !== 200) status = (await call(gateway.url).catch(() => ({ status: 0 }))).status
})

/** A module that makes every connection to one port fail. */
function failingConnections(code: string, port: number): string {
  const file = join(mkdtempSync(join(tmpdir(), 'leastwise-')), 'preload.mjs')
  writeFileSync(
    file,
    `import { existsSync } from 'node:fs'
    import net from 'node:net'
    const { connect } = net.Socket.prototype
    net.Socket.prototype.connect = function (...args) {
      const [options] = Array.isArray(args[0]) ? args[0] : args
      if (Number(options.port) !== ${port} || existsSync(${JSON.stringify(`${file}.over`)})) return connect.apply(this, args)
      const error = Object.assign(new Error('connect ${code}'), { code: '${code}', syscall: 'connect', address: '127.0.0.1' })
      this.connecting = true
      process.nextTick(() => this.destroy(error))
      return this
    }
    `,
  )
  return file
}

for (const code of ['EADDRNOTAVAIL', 'ENOMEM', 'ENOBUFS', 'ENFILE', 'EAGAIN']) {
  test(`${code} on the way to a backend is the gateway's own exhaustion`, async (t) => {
    const [one, two] = [await answering(), await answering()]
    t.after(() => Promise.all([one.close(), two.close()]))
    const preload = failingConnections(code, one.port)
    const gateway = await startGateway({ ...CHECKS, BACKENDS: `${one.url};id=a,${two.url};id=b` }, [
      '--import',
      preload,
      server,
    ])
    t.after(() => gateway.stop('SIGKILL'))
    const statuses = new Set<number>()
    for (const method of ['GET', 'POST', 'GET', 'POST', 'GET', 'POST', 'GET', 'POST'] as const) {
      // The gateway closes idle connections while it lacks something, so that none of them is used twice.
      const reply = await call(gateway.url, { method, reset: true, ...(method === 'POST' && { body: 'x' }) })
      statuses.add(reply.status)
      if (reply.status === 503) assert.equal(JSON.parse(reply.text).code, 'LEASTWISE_OVERLOADED')
    }
    assert.deepEqual(
      [...statuses].sort(),
      [200, 503],
      'no other backend is tried: it would be the same there',
    )
    await gateway.line(({ event, backend }) => event === 'health' && backend === 'b')
    const [a] = (await callJson('GET', `${gateway.admin}/backends`)).json.backends
    assert.deepEqual([a.health, a.failed, a.share, a.lastCheck], ['unknown', 0, 1, null])
    const lines = lackLines(gateway)
    assert.deepEqual(
      lines.map((line) => line.code),
      [code],
    )
    if (code === 'EADDRNOTAVAIL') {
      const range = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().replace(/\s+/, ' ')
      assert.equal(lines[0]?.limit, range)
    }
    const failed = await gateway.line(({ msg, statusCode }) => msg === 'request' && statusCode === 503)
    assert.deepEqual([failed.outcome, failed.error], ['refused', 'LEASTWISE_OVERLOADED'])
    writeFileSync(`${preload}.over`, '')
    await gateway.line(
      ({ event, backend, health }) => event === 'health' && backend === 'a' && health === 'healthy',
    )
    assert.equal((await call(gateway.url)).status, 200)
  })
}

const loadsOneByOne =
  Number.parseInt(process.versions.node, 10) > 20 && 'this Node opens one file after another'

test('a start with too few descriptors to load the program says so in one line', {
  skip: noPrlimit || loadsOneByOne,
}, () => {
  // Enough for the command, and not for the gateway.
  const command = ['--nofile=100', process.execPath, join(root, 'dist/src/cli/main.js'), 'serve']
  const env = { PATH: process.env.PATH, PORT: '0', ADMIN_PORT: '0' }
  const { status, stderr } = spawnSync('prlimit', command, { env, encoding: 'utf8' })
  assert.equal(status, 1)
  assert.match(stderr, /^leastwise: there are too few file descriptors to start with: .*ulimit -n\n$/)
})
