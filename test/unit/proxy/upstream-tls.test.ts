import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { stat } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import type { BackendSpec } from '../../../src/balancer/backends/spec.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import { InvalidBackendError } from '../../../src/balancer/errors.js'
import { TlsFileError } from '../../../src/proxy/upstream/tls/pem-files.js'
import type { FileChange } from '../../../src/proxy/upstream/tls/tls-contexts.js'
import { defaultPoolTls, type PoolTls, UpstreamTls } from '../../../src/proxy/upstream/tls/upstream-tls.js'
import { TestClock } from '../../support/clock.js'
import { root } from '../../support/process.js'
import { until } from '../../support/until.js'

const fixture = (name: string) => join(root, 'test/fixtures', name)
const ca = fixture('localhost.cert.pem')
const otherCa = fixture('client-authority.cert.pem')
const pair = { cert: fixture('gateway.cert.pem'), key: fixture('gateway.key.pem') }

function folderOf(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-tls-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

/** A pool with a clock of the test; `look` lets the time pass after which files are looked at, and waits for the look. */
function pool(t: TestContext, settings: Partial<PoolTls> = {}, backends: (string | BackendSpec)[] = []) {
  const clock = new TestClock()
  const changes: FileChange[] = []
  const tls = new UpstreamTls({ ...defaultPoolTls, ...settings }, clock, (change) => changes.push(change))
  const balancer = new Balancer({ backends, verifyTls: tls.verify })
  tls.follow(balancer.registry)
  t.after(() => {
    tls.close()
    balancer.close()
  })
  return {
    clock,
    changes,
    tls,
    registry: balancer.registry,
    optionsOf: (id: string) => {
      const options = tls.optionsOf(balancer.registry.get(id))
      assert.ok(options)
      return options
    },
    async look(milliseconds = 2000) {
      clock.pass(milliseconds)
      await until(
        () => clock.pending,
        (timers) => timers === 1,
      )
    },
  }
}

test('a backend without TLS has no options, and one with TLS has those of Node by default', (t) => {
  const { tls, registry, optionsOf, clock } = pool(t, {}, ['http://a:1', 'https://b:1', 'https://[::1]:1'])
  assert.equal(tls.optionsOf(registry.get('a-1')), undefined)
  assert.deepEqual(optionsOf('b-1'), {
    secureContext: undefined,
    servername: 'b',
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1'],
    session: undefined,
  })
  assert.equal(optionsOf('1-1').servername, '')
  assert.equal(clock.pending, 0, 'no timer')
})

test('the variable of Node turns the check off, except for a backend that asks for it', (t) => {
  const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED
  t.after(() => {
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
  })
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  const url = 'https://shop.example'
  const balancer = new Balancer({
    backends: [
      { url, id: 'a' },
      { url: `${url}:8443`, id: 'b', rejectUnauthorized: true },
    ],
  })
  const { optionsOf } = new UpstreamTls()
  const checked = (id: string) => optionsOf(balancer.registry.get(id))?.rejectUnauthorized
  assert.deepEqual([checked('a'), checked('b')], [false, true])
})

test('backends share one context for the same files, and each keeps its options', (t) => {
  const backends = [
    { url: 'https://a:1' },
    { url: 'https://b:1', servername: 'x' },
    { url: 'https://c:1', ca: otherCa },
  ]
  const { optionsOf } = pool(
    t,
    { ca, ...pair, servername: 'shop.example', rejectUnauthorized: false },
    backends,
  )
  const [a, b, c] = [optionsOf('a-1'), optionsOf('b-1'), optionsOf('c-1')]
  assert.equal(a.secureContext, b.secureContext)
  assert.notEqual(a.secureContext, c.secureContext)
  assert.deepEqual([a.servername, b.servername, c.servername], ['shop.example', 'x', 'shop.example'])
  assert.equal(a.rejectUnauthorized, false)
  assert.equal(optionsOf('a-1'), a)
})

test('a changed field makes new options, without the session of the old ones', (t) => {
  const { optionsOf, registry } = pool(t, {}, ['https://a:1'])
  const before = optionsOf('a-1')
  before.session = Buffer.from('session')
  registry.update('a-1', { weight: 2 })
  assert.equal(optionsOf('a-1'), before)
  registry.update('a-1', { servername: 'shop.example', ca })
  const { servername, session, secureContext } = optionsOf('a-1')
  assert.deepEqual([servername, session], ['shop.example', undefined])
  assert.ok(secureContext)
})

test('new connections use renewed files, and the last good ones where the new ones cannot be used', async (t) => {
  const folder = folderOf(t)
  const own = { ca: join(folder, 'ca.pem'), cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  copyFileSync(otherCa, own.ca)
  copyFileSync(pair.cert, own.cert)
  copyFileSync(pair.key, own.key)
  const server = createServer({
    cert: readFileSync(fixture('other-name.cert.pem')),
    key: readFileSync(fixture('leaf.key.pem')),
    ca: readFileSync(otherCa),
    requestCert: true,
  })
  server.on('secureConnection', (socket: TLSSocket) =>
    socket.end(String(socket.getPeerCertificate().subject?.CN)),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const url = `https://127.0.0.1:${port}`
  const { changes, look, optionsOf } = pool(t, {}, [{ url, id: 'a', ...own, servername: 'shop.example' }])
  /** The name that the server sees in the certificate of a new connection, or the code of the error. */
  const seen = () =>
    new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port, ...optionsOf('a') })
      socket.on('data', (name) => resolve(String(name)))
      socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code))
    })

  assert.equal(await seen(), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE')
  copyFileSync(ca, own.ca)
  await look()
  assert.equal(changes.length, 0, 'the files may still be changing')
  await look(250)
  assert.deepEqual(changes.splice(0), [{ files: own, error: undefined }])
  assert.equal(await seen(), 'gateway')

  for (const [spoil, path, why] of [
    [() => writeFileSync(own.ca, 'no PEM'), own.ca, /has no certificate in PEM/],
    [() => copyFileSync(fixture('leaf.key.pem'), own.key), own.key, /is not the key of the certificate/],
    [() => unlinkSync(own.cert), own.cert, /cannot be read: ENOENT/],
  ] as const) {
    spoil()
    await look()
    await look(250)
    const [{ error } = { error: undefined }, ...more] = changes.splice(0)
    assert.deepEqual([error?.path, more.length], [path, 0])
    assert.match(String(error?.message), why)
    await look()
    assert.equal(changes.length, 0, 'told once')
    assert.equal(await seen(), 'gateway')
    copyFileSync(ca, own.ca)
    copyFileSync(pair.key, own.key)
    copyFileSync(pair.cert, own.cert)
    await look()
    await look(250)
    assert.equal(changes.splice(0)[0]?.error, undefined, 'the files are good again')
  }

  const before = optionsOf('a')
  copyFileSync(fixture('renewed-gateway.cert.pem'), own.cert)
  await look()
  await look(250)
  assert.notEqual(optionsOf('a'), before)
  assert.equal(await seen(), 'renewed-gateway')
})

test('a link that leads elsewhere is noticed, and a file that was written without a change is not news', async (t) => {
  const folder = folderOf(t)
  for (const [version, source] of [
    ['1', ca],
    ['2', otherCa],
  ] as const) {
    mkdirSync(join(folder, version))
    copyFileSync(source, join(folder, version, 'ca.pem'))
  }
  symlinkSync('1', join(folder, 'current'))
  const { changes, look, optionsOf } = pool(t, { ca: join(folder, 'current/ca.pem') }, ['https://a:1'])
  const before = optionsOf('a-1')
  writeFileSync(join(folder, '1/ca.pem'), readFileSync(ca))
  await look()
  await look(250)
  assert.deepEqual([changes.length, optionsOf('a-1')], [0, before])
  unlinkSync(join(folder, 'current'))
  symlinkSync('2', join(folder, 'current'))
  await look()
  await look(250)
  assert.equal(changes.length, 1)
  assert.notEqual(optionsOf('a-1').secureContext, before.secureContext)
})

test('files are looked at only while a backend names them', async (t) => {
  const { clock, registry } = pool(t)
  assert.equal(clock.pending, 0)
  registry.add({ url: 'https://a:1', id: 'a', ca })
  assert.equal(clock.pending, 1)
  registry.remove('a', { force: true })
  clock.pass(2000)
  // A look at the files would be over by now.
  for (let i = 0; i < 10; i++) await stat(ca)
  assert.equal(clock.pending, 0)
})

test('a file that cannot be used is refused, and the backend stays as it is', (t) => {
  const folder = folderOf(t)
  const file = (name: string, content: string | Buffer) => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' },
  })
  const encrypted = file('encrypted.pem', privateKey)
  const cut = file('cut.pem', readFileSync(ca, 'latin1').replace(/\n[^\n]+\n(?=[^\n]+\n---)/, '\n'))
  const cases: [Partial<BackendSpec>, field: string, why: RegExp][] = [
    [{ ca: join(folder, 'none') }, 'ca', /cannot be read: ENOENT: no such file or directory$/],
    [{ ca: folder }, 'ca', /is not a file$/],
    [{ ca: '/dev/zero' }, 'ca', /is not a file$/],
    [{ ca: file('empty.pem', '') }, 'ca', /has no certificate in PEM/],
    [{ ca: pair.key }, 'ca', /has no certificate in PEM/],
    [{ ca: cut }, 'ca', /is damaged: certificate 1 of 1 is none$/],
    [{ ca: file('large.pem', Buffer.alloc(4 * 1024 * 1024 + 1)) }, 'ca', /is larger than 4194304 bytes$/],
    [{ cert: pair.key, key: pair.key }, 'cert', /has no certificate in PEM/],
    [{ cert: pair.cert, key: pair.cert }, 'key', /has no private key in PEM$/],
    [{ cert: pair.cert, key: encrypted }, 'key', /without a passphrase is needed$/],
    [{ cert: pair.cert, key: fixture('leaf.key.pem') }, 'key', /is not the key of the certificate in ".*"$/],
  ]
  const { registry } = pool(t, {}, ['https://a:1'])
  for (const [fields, field, why] of cases) {
    const isRefused = (error: unknown) => {
      assert.ok(error instanceof InvalidBackendError)
      assert.equal(error.field, field)
      assert.match(error.message, why)
      assert.doesNotMatch(error.message, /\n|BEGIN [A-Z ]*PRIVATE/)
      return true
    }
    assert.throws(() => registry.add({ url: 'https://b:1', ...fields }), isRefused)
    assert.throws(() => registry.update('a-1', { weight: 9, ...fields }), isRefused)
    assert.throws(() => new UpstreamTls({ ...defaultPoolTls, ...(fields as PoolTls) }), TlsFileError)
  }
  assert.equal(registry.size, 1)
  assert.deepEqual([registry.get('a-1').weight, registry.get('a-1').tls], [1, {}])
})
