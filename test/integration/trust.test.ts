import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import leastwise, { type LeastwiseOptions } from '../../src/index.js'
import { trustOfApp } from '../../src/proxy/http/trust.js'
import { type GatewayProcess, startGateway } from '../support/process.js'
import { exchange, field, RawBackend, RawClient } from '../support/raw.js'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const FORWARDED =
  'X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 6.6.6.6\r\n'
let backend: RawBackend

before(async () => {
  backend = await new RawBackend(OK).listen()
})
after(() => backend.close())

/** Asks for something as a proxy would, and returns what the backend was told of the client. */
async function asked(url: string, fields = FORWARDED): Promise<(string | undefined)[]> {
  const answer = await exchange(url, `GET / HTTP/1.1\r\nHost: h\r\n${fields}Connection: close\r\n\r\n`)
  assert.match(answer, /^HTTP\/1\.1 200 /)
  return ['x-forwarded-for', 'x-forwarded-proto', 'x-real-ip'].map((name) => field(backend.last, name))
}

const TRUSTED = ['6.6.6.6, 203.0.113.7, 127.0.0.1', 'https', '6.6.6.6']
const UNTRUSTED = ['127.0.0.1', 'http', undefined]

describe('in an app its own trustProxy decides, unless the option is given', () => {
  type Own = FastifyServerOptions['trustProxy']
  const loopback = (address: string) => address.includes('127.0.0.1')
  const cases: [own: Own | undefined, option: LeastwiseOptions['trustProxy'], trusted: boolean][] = [
    [undefined, undefined, false],
    [false, undefined, false],
    [true, undefined, true],
    ['127.0.0.1', undefined, true],
    ['10.0.0.0/8', undefined, false],
    [['::1', '127.0.0.0/8'], undefined, true],
    [loopback, undefined, true],
    [true, false, false],
    [false, true, true],
    [false, 'loopback', true],
    [false, ['127.0.0.1'], true],
    [false, 1, true],
    [true, '10.0.0.0/8', false],
  ]
  for (const [own, option, trusted] of cases) {
    test(`${own} and ${option}`, async () => {
      const app = Fastify({ forceCloseConnections: true, ...(own !== undefined && { trustProxy: own }) })
      let ip: string | undefined
      app.addHook('preHandler', async (request) => {
        ip = request.ip
      })
      await app.register(leastwise, { backends: [backend.url], trustProxy: option })
      const url = await app.listen({ port: 0, host: '127.0.0.1' })
      assert.deepEqual(await asked(url), trusted ? TRUSTED : UNTRUSTED)
      if (own === undefined || own === false) assert.equal(ip, '127.0.0.1')
      await app.close()
    })
  }

  test('as far as the app believes, and no further', async () => {
    const app = Fastify({ trustProxy: ['10.0.0.0/8', '127.0.0.1'] })
    const trust = trustOfApp(app)
    const peer = (remoteAddress: string) => ({ remoteAddress, address: remoteAddress, node: remoteAddress })
    assert.equal(trust(peer('127.0.0.1'), []), 1)
    assert.equal(trust(peer('127.0.0.1'), ['10.0.0.1', '203.0.113.7', '10.0.0.1']), 2)
    assert.equal(trust(peer('203.0.113.7'), ['10.0.0.1']), 0)
    assert.equal(trustOfApp(Fastify({ trustProxy: true }))(peer('1.1.1.1'), ['2.2.2.2']), 2)
    assert.equal(trustOfApp({} as FastifyInstance)(peer('127.0.0.1'), []), 0)
  })

  test('a list that is none stops the start, and the message names the option', async () => {
    for (const trustProxy of ['10.0.0.0/33', ['nobody.example'], 1.5, {}, null]) {
      const app = Fastify()
      await assert.rejects(
        async () => await app.register(leastwise, { trustProxy } as unknown as LeastwiseOptions),
        /option "trustProxy" does not accept .*a list of addresses and ranges/,
      )
    }
  })
})

test('fields that say who the client is go through from a trusted proxy only', async () => {
  const names = [
    'X-Real-IP',
    'X-Client-IP',
    'True-Client-IP',
    'X-Cluster-Client-IP',
    'CF-Connecting-IP',
    'Client-IP',
    'X-Forwarded',
    'X-Forwarded-Port',
    'X-Forwarded-Ssl',
    'X-Forwarded-Scheme',
    'X-Forwarded-Server',
    'X-Forwarded-Client-Cert',
    'X-Forwarded-User',
    'X-Forwarded-Prefix',
    'X-Original-URL',
    'X-Rewrite-URL',
    'X-Original-Host',
    'Front-End-Https',
  ]
  for (const trustProxy of [false, true]) {
    const app = Fastify({ forceCloseConnections: true })
    await app.register(leastwise, { backends: [backend.url], trustProxy })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    await asked(url, names.map((name) => `${name}: given\r\n`).join(''))
    for (const name of names) assert.equal(field(backend.last, name), trustProxy ? 'given' : undefined, name)
    await app.close()
  }
})

describe('the stand-alone gateway', () => {
  let gateway: GatewayProcess
  before(async () => {
    gateway = await startGateway({
      BACKENDS: backend.url,
      TRUST_PROXY: '127.0.0.1,203.0.113.0/24',
      ADMIN_PORT: 'off',
      VIA: 'off',
      UNDERSCORE_HEADERS: 'pass',
    })
  })
  after(() => gateway.stop())

  const addressesOf = async (id: string | undefined) => {
    const line = await gateway.line(({ reqId, msg }) => msg === 'request' && reqId === id)
    return [line.remoteAddress, line.clientAddress]
  }

  test('believes the proxies of its list, and logs who connected and who asked', async () => {
    assert.deepEqual(await asked(gateway.url, `${FORWARDED}X-Request-Id: one\r\nX_User: me\r\n`), TRUSTED)
    assert.equal(field(backend.last, 'x_user'), 'me')
    assert.deepEqual(await addressesOf('one'), ['127.0.0.1', '6.6.6.6'])
    await asked(gateway.url, 'X-Request-Id: two\r\n')
    assert.deepEqual(await addressesOf('two'), ['127.0.0.1', '127.0.0.1'])
    await asked(gateway.url, 'Forwarded: for="[2001:db8::7]:80"\r\nX-Request-Id: three\r\n')
    assert.deepEqual(await addressesOf('three'), ['127.0.0.1', '2001:db8::7'])
  })

  test('each early refusal has both as well', async () => {
    const head = `Host: h\r\n${FORWARDED}Connection: close\r\n`
    for (const [text, client] of [
      [`CONNECT h:443 HTTP/1.1\r\n${head}\r\n`, '6.6.6.6'],
      [`GET / HTTP/1.1\r\n${head}Expect: wonders\r\n\r\n`, '6.6.6.6'],
      [`GET /%zz HTTP/1.1\r\n${head}\r\n`, '6.6.6.6'],
      [`TRACE / HTTP/1.1\r\n${head}\r\n`, '6.6.6.6'],
      // Whoever it was that the proxy sent this for, nobody can tell.
      [`GET / HTTP/1.1\r\n${head}\0: a\r\n\r\n`, null],
      [`GET / HTTP/1.1\r\n${head}${'a: b\r\n'.repeat(600)}\r\n`, '127.0.0.1'],
    ] as const) {
      const answer = await exchange(gateway.url, text)
      assert.match(answer, /^HTTP\/1\.1 4/)
      assert.deepEqual(
        await addressesOf(field(answer, 'x-request-id')),
        ['127.0.0.1', client],
        text.slice(0, 30),
      )
    }
  })

  test('so has a tunnel, and what a client that left had asked', async () => {
    backend.script = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n'
    const upgrade = `Host: h\r\n${FORWARDED}Connection: upgrade\r\nUpgrade: echo\r\nX-Request-Id: tunnel\r\n\r\n`
    const client = new RawClient(gateway.url).send(`GET / HTTP/1.1\r\n${upgrade}`)
    await client.until('101 Switching')
    assert.equal(field(client.text, 'via'), undefined)
    client.close()
    assert.deepEqual(await addressesOf('tunnel'), ['127.0.0.1', '6.6.6.6'])
    backend.script = () => leaving.reset()
    const leaving = new RawClient(gateway.url).send(
      `GET / HTTP/1.1\r\nHost: h\r\n${FORWARDED}X-Request-Id: left\r\n\r\n`,
    )
    assert.deepEqual(await addressesOf('left'), ['127.0.0.1', '6.6.6.6'])
    backend.script = OK
  })

  test('VIA=off adds no Via either way, and keeps those that are there', async () => {
    backend.script = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\nVia: 1.1 cache\r\n\r\nok'
    const head = 'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n'
    assert.equal(field(await exchange(gateway.url, `${head}\r\n`), 'via'), '1.1 cache')
    assert.equal(field(backend.last, 'via'), undefined)
    backend.script = OK
    assert.equal(field(await exchange(gateway.url, `${head}Via: 1.1 front\r\n\r\n`), 'via'), undefined)
    assert.equal(field(backend.last, 'via'), '1.1 front')
  })

  test('without Via, too, a head that comes before its body is passed on at once', async () => {
    for (const fields of [
      'Content-Length: 2\r\n',
      'Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n',
    ]) {
      backend.script = `HTTP/1.1 200 OK\r\n${fields}\r\n`
      const client = new RawClient(gateway.url).send('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
      await client.until('\r\n\r\n')
      client.close()
    }
    backend.script = OK
  })
})
