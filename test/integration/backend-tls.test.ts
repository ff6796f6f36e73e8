import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import Fastify from 'fastify'
import leastwise from '../../src/index.js'
import { call, callJson } from '../support/client.js'
import { commandsWith } from '../support/command.js'
import { noPassiveHealth, openGateway } from '../support/gateway.js'
import { root, runServer, startGateway } from '../support/process.js'
import { exchange } from '../support/raw.js'

const path = (name: string) => join(root, 'test/fixtures', name)
const fixture = (name: string) => readFileSync(path(name))

const ca = path('localhost.cert.pem')
const pair = { cert: path('gateway.cert.pem'), key: path('gateway.key.pem') }
/** Demands a certificate of whoever connects. */
const demanding = { requestCert: true, rejectUnauthorized: true, ca: fixture('client-authority.cert.pem') }

/** A backend on 127.0.0.1 with a certificate for shop.example; it answers with SNI and the name of the client's certificate. */
async function backend(
  t: TestContext,
  options: ServerOptions = {},
  certificate = 'other-name',
  onConnection: (socket: TLSSocket) => void = () => {},
) {
  const certified = { cert: fixture(`${certificate}.cert.pem`), key: fixture('leaf.key.pem') }
  const server = createServer({ ...certified, ...options }, (request, response) => {
    request.resume().on('end', () => response.end(seen(request.socket as TLSSocket)))
  })
  server.on('upgrade', ({ socket }) => {
    socket.end(
      `HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n${seen(socket as TLSSocket)}`,
    )
  })
  server.on('secureConnection', onConnection)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function seen(socket: TLSSocket & { servername?: unknown }): string {
  return `${socket.servername} ${socket.getPeerCertificate().subject?.CN}`
}

async function open(t: TestContext, backends: string[], env: Record<string, string> = {}) {
  const gateway = await openGateway(backends, { ...noPassiveHealth, RETRIES: '0', ...env })
  t.after(() => gateway.close())
  return gateway
}

/** Settings with which a gateway and a demanding backend trust each other. */
const trusted = {
  UPSTREAM_CA: ca,
  UPSTREAM_CERT: pair.cert,
  UPSTREAM_KEY: pair.key,
  UPSTREAM_SERVERNAME: 'shop.example',
}

const messageOf = async (url: string, method = 'GET') => {
  const { status, text } = await call(url, { method })
  assert.equal(status, 502, text)
  return JSON.parse(text).message
}

test('requests of every kind trust the authority, show the certificate and ask for the name of the settings', async (t) => {
  const gateway = await open(t, [await backend(t, demanding)], trusted)
  for (const method of ['GET', 'DELETE', 'POST', 'GET', 'POST'] as const) {
    const headers = { host: 'client.example' }
    const { status, text } = await call(gateway.url, {
      method,
      headers,
      ...(method === 'POST' && { body: 'x' }),
    })
    assert.deepEqual([status, text], [200, 'shop.example gateway'], method)
  }
  const upgrade = 'GET / HTTP/1.1\r\nHost: c.example\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'
  assert.match(await exchange(gateway.url, upgrade), /^HTTP\/1\.1 101 [\s\S]*shop\.example gateway$/)
})

test('the fields of a backend take precedence over the settings of the pool', async (t) => {
  const own = `;ca=${ca};cert=${pair.cert};key=${pair.key};servername=shop.example`
  const gateway = await open(t, [`${await backend(t, demanding)}${own}`], {
    UPSTREAM_CA: path('client-authority.cert.pem'),
    UPSTREAM_CERT: ca,
    UPSTREAM_KEY: path('localhost.key.pem'),
    UPSTREAM_SERVERNAME: 'elsewhere.example',
  })
  for (const method of ['GET', 'POST'] as const) {
    assert.equal((await call(gateway.url, { method })).text, 'shop.example gateway', method)
  }
})

test('without a certificate of the gateway, and with one that the backend does not trust, requests fail', async (t) => {
  for (const own of ['', `;cert=${ca};key=${path('localhost.key.pem')}`]) {
    const gateway = await open(t, [`${await backend(t, demanding)}${own}`], {
      UPSTREAM_CA: ca,
      UPSTREAM_SERVERNAME: 'shop.example',
    })
    const expected = own === '' ? /wants a certificate of the gateway/ : /closed the connection/
    for (const method of ['GET', 'POST']) assert.match(await messageOf(gateway.url, method), expected)
  }
})

test('a certificate that is not valid is refused, unless it is not checked', async (t) => {
  for (const [certificate, own, message] of [
    ['other-name', '', /certificate is for another name/],
    ['other-name', ';servername=elsewhere.example', /certificate is for another name/],
    ['expired', ';servername=localhost', /certificate has expired/],
    ['unknown-authority', ';servername=localhost', /authority that is not trusted/],
  ] as const) {
    const url = await backend(t, {}, certificate)
    const strict = await open(t, [`${url}${own}`], { UPSTREAM_CA: ca })
    for (const method of ['GET', 'POST']) assert.match(await messageOf(strict.url, method), message)
    for (const [field, setting] of [
      [';rejectUnauthorized=false', 'true'],
      ['', 'false'],
    ] as const) {
      const lax = await open(t, [`${url}${own}${field}`], {
        UPSTREAM_CA: ca,
        UPSTREAM_REJECT_UNAUTHORIZED: setting,
      })
      for (const method of ['GET', 'POST'] as const)
        assert.equal((await call(lax.url, { method })).status, 200)
    }
  }
})

test('a TLS session is resumed, unless other settings apply by then, and never that of a refused connection', async (t) => {
  const upgrade = 'GET / HTTP/1.1\r\nHost: c.example\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const reused: boolean[] = []
    const url = await backend(t, { maxVersion }, 'other-name', (socket) =>
      reused.push(socket.isSessionReused()),
    )
    const gateway = await open(t, [`${url};servername=elsewhere.example`], { UPSTREAM_CA: ca })
    for (let i = 0; i < 3; i++) assert.match(await messageOf(gateway.url), /certificate is for another name/)
    reused.length = 0
    const { registry } = gateway.balancer
    const { id } = gateway.backend()
    registry.update(id, { servername: 'shop.example' })
    for (let i = 0; i < 2; i++) await exchange(gateway.url, upgrade)
    registry.update(id, { ...pair })
    for (let i = 0; i < 2; i++) await exchange(gateway.url, upgrade)
    assert.deepEqual(reused, [false, true, false, true], maxVersion)
  }
})

test('a file of authorities replaces those that Node trusts', async (t) => {
  const gateway = await startGateway({
    NODE_EXTRA_CA_CERTS: ca,
    UPSTREAM_SERVERNAME: 'shop.example',
    BACKENDS: await backend(t),
    RETRIES: '0',
    ...noPassiveHealth,
  })
  t.after(() => gateway.stop())
  const { id } = (await callJson('GET', `${gateway.admin}/backends`)).json.backends[0]
  const change = (ca: string | null) => callJson('PATCH', `${gateway.admin}/backends/${id}`, { ca })
  assert.equal((await change(path('client-authority.cert.pem'))).status, 200)
  for (const method of ['GET', 'POST'])
    assert.match(await messageOf(gateway.url, method), /authority that is not trusted/)
  assert.equal((await change(null)).status, 200)
  for (const method of ['GET', 'POST'] as const)
    assert.equal((await call(gateway.url, { method })).status, 200)
})

test('health checks use the same authorities, certificate and name', async (t) => {
  const gateway = await open(t, [await backend(t, demanding)], {
    ...trusted,
    HEALTH_PATH: '/',
    HEALTH_INITIAL: 'unusable',
    HEALTH_INTERVAL: '10',
    HEALTH_TIMEOUT: '30000',
  })
  await new Promise<void>((resolve) => {
    const look = () => gateway.backend().checked === 'healthy' && resolve()
    gateway.balancer.registry.on('health', look)
    look()
  })
  assert.equal((await call(gateway.url)).status, 200)
})

test('a start with files that cannot be used fails with one line that names the variable and the file', async () => {
  for (const [env, line] of [
    [
      { UPSTREAM_CA: '/no/such.pem' },
      /^leastwise: UPSTREAM_CA does not accept "\/no\/such\.pem": it cannot be read: ENOENT: no such file or directory$/,
    ],
    [
      { UPSTREAM_CERT: pair.cert, UPSTREAM_KEY: path('leaf.key.pem') },
      /^leastwise: UPSTREAM_KEY does not accept ".*leaf\.key\.pem": it is not the key of the certificate in ".*gateway\.cert\.pem"$/,
    ],
    [
      { BACKENDS: `http://a,https://b;ca=${pair.key}` },
      /^leastwise: BACKENDS does not accept entry 2 of 2, "https:\/\/b": ca ".*gateway\.key\.pem" has no certificate in PEM/,
    ],
  ] as const) {
    const { code, stderr } = await runServer({ PORT: '0', ADMIN_PORT: 'off', ...env })
    assert.equal(code, 1)
    assert.match(stderr.trimEnd(), line)
  }
})

test('the admin API checks files, shows paths, and the state keeps them', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const stateFile = join(folder, 'state.json')
  const url = await backend(t, demanding)
  const poolCa = join(folder, 'ca.pem')
  copyFileSync(ca, poolCa)
  const before = await startGateway({ STATE_FILE: stateFile, UPSTREAM_CA: poolCa })
  // The gateway notices this in a while, and the test does not wait for it here.
  copyFileSync(path('client-authority.cert.pem'), poolCa)
  const post = (body: object) => callJson('POST', `${before.admin}/backends`, { url, id: 'a', ...body })
  for (const [fields, message] of [
    [{ ca: '/no/such.pem' }, /^ca "\/no\/such\.pem" cannot be read: ENOENT/],
    [{ ca: folder }, /^ca ".*" is not a file$/],
    [{ cert: pair.cert, key: ca }, /^key ".*localhost\.cert\.pem" has no private key in PEM$/],
  ] as const) {
    const { status, json } = await post(fields)
    assert.deepEqual([status, json.code], [400, 'LEASTWISE_INVALID_BACKEND'])
    assert.match(json.message, message)
  }
  const fields = { ca, ...pair, servername: 'shop.example', rejectUnauthorized: false }
  const run = commandsWith({ LEASTWISE_URL: before.admin })
  const options = `--ca ${ca} --cert ${pair.cert} --key ${pair.key} --servername shop.example`
  const added = await run(`backends add ${url} --id a ${options} --reject-unauthorized false --json`)
  assert.equal(added.stderr, '')
  const shown = ({ ca, cert, key, servername, rejectUnauthorized }: Record<string, unknown>) => ({
    ca,
    cert,
    key,
    servername,
    rejectUnauthorized,
  })
  assert.deepEqual(shown(JSON.parse(added.stdout)), fields)
  await before.line(({ event, backend }) => event === 'certificates not checked' && backend === 'a')
  const patch = (body: object) => callJson('PATCH', `${before.admin}/backends/a`, body)
  assert.equal((await patch({ key: path('leaf.key.pem') })).status, 400)
  assert.equal((await patch({ cert: null })).status, 400)
  const updated = await run('backends update a --reject-unauthorized default --health-port off --json')
  assert.deepEqual([updated.stderr, JSON.parse(updated.stdout).rejectUnauthorized], ['', null])
  const taken = await before.line(({ event }) => event === 'tls files taken')
  assert.deepEqual([taken.level, taken.pool, taken.ca, taken.cert], [30, 'default', poolCa, undefined])
  await before.stop()

  assert.doesNotMatch(readFileSync(stateFile, 'utf8'), /BEGIN/)
  const again = await startGateway({ STATE_FILE: stateFile })
  t.after(() => again.stop())
  const { json } = await callJson('GET', `${again.admin}/backends/a`)
  assert.deepEqual(shown(json), { ...fields, rejectUnauthorized: null })
  assert.equal((await call(again.url)).text, 'shop.example gateway')

  const state = readFileSync(stateFile, 'utf8').replaceAll(ca, '/no/such.pem')
  const otherFile = join(folder, 'other.json')
  writeFileSync(otherFile, state)
  await assert.rejects(openGateway([], { STATE_FILE: otherFile }), {
    message: `STATE_FILE "${otherFile}" cannot be used: ca "/no/such.pem" cannot be read: ENOENT: no such file or directory`,
  })
})

test('a plugin with files that cannot be used fails with the name of the option', async () => {
  for (const [options, message] of [
    [{ upstreamCa: '/no' }, 'leastwise: option "upstreamCa" does not accept "/no": it cannot be read: '],
    [
      { backends: ['http://a', { url: 'https://b', ca: '/no' }] },
      'leastwise: option "backends[1].ca" does not accept "/no": ca "/no" cannot be read: ',
    ],
    [
      { upstreamKey: '/no' },
      'leastwise: option "upstreamKey" does not accept "/no": leastwise: option "upstreamCert" is',
    ],
  ] as const) {
    const app = Fastify()
    await assert.rejects(
      async () => await app.register(leastwise, options),
      (error: Error) => error.message.startsWith(message),
    )
    await app.close().catch(() => {})
  }
})
