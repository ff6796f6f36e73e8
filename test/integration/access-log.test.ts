import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import Fastify, { type FastifyServerOptions } from 'fastify'
import leastwise from '../../src/index.js'
import { withoutSecrets } from '../../src/telemetry/redaction.js'
import { traceIdOf } from '../../src/telemetry/trace-context.js'
import { pathOf, printable } from '../../src/text/printable.js'
import { answering, deadUrl } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { type GatewayProcess, root, spawnServer, startGateway } from '../support/process.js'
import { exchange, field, RawBackend, RawClient } from '../support/raw.js'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: sid=hush-hush\r\n\r\nok'

const backend = await new RawBackend(OK).listen()
const gateway = await startGateway({
  BACKENDS: `${backend.url};id=a`,
  LOG_LEVEL: 'trace',
  ADMIN_TOKEN: 'hush-hush-token',
  HEADERS_TIMEOUT: '500',
  RESPONSE_TIMEOUT: '500',
  RETRIES: '0',
  MAX_BODY: '10',
  EJECT_MAX_PERCENT: '0',
  FAILURE_DECAY: '0',
})
after(async () => {
  await gateway.stop('SIGKILL')
  await backend.close()
})

const requests = ({ lines }: GatewayProcess) => lines.filter(({ msg }) => msg === 'request')
const withId = (id: string | undefined) => gateway.line(({ reqId }) => id !== undefined && reqId === id)
const TRACE = '0af7651916cd43dd8448eb211c80319c'

test('a line has all there is to know of a request', async () => {
  await exchange(
    gateway.url,
    `POST /users?token=hush-hush HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nX-Request-Id: whole\r\n` +
      `traceparent: 00-${TRACE}-b7ad6b7169203331-01\r\nConnection: close\r\n\r\nabc`,
  )
  const { level, time, pid, hostname, requestHeaders, responseHeaders, ...line } = await withId('whole')
  const { queueTime, firstByteTime, upstreamTime, responseTime, ...rest } = line
  assert.deepEqual(rest, {
    reqId: 'whole',
    method: 'POST',
    path: '/users',
    remoteAddress: '127.0.0.1',
    clientAddress: '127.0.0.1',
    statusCode: 200,
    outcome: 'ok',
    error: null,
    cause: null,
    aborted: false,
    backend: 'a',
    policy: 'least-connections',
    inFlight: 1,
    attempts: 1,
    bytesIn: 3,
    bytesOut: 2,
    traceId: TRACE,
    msg: 'request',
  })
  assert.equal(queueTime, 0)
  for (const time of [firstByteTime, upstreamTime, responseTime]) {
    assert.ok(typeof time === 'number' && time > 0 && Math.abs(time * 1000 - Math.round(time * 1000)) < 1e-6)
  }
  assert.deepEqual([level, typeof time, typeof pid, typeof hostname], [30, 'number', 'number', 'string'])
  // At this level.
  assert.equal((requestHeaders as Record<string, string>)['content-length'], '3')
  assert.equal((responseHeaders as Record<string, string>)['set-cookie'], '[redacted]')
})

describe('request ids', () => {
  const ask = async (fields: string) => {
    const answer = await exchange(
      gateway.url,
      `GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n${fields}\r\n`,
    )
    assert.match(answer, /^HTTP\/1.1 200 /)
    return field(backend.last, 'x-request-id')
  }

  test("the client's is kept and told to the backend", async () => {
    for (const id of ['abc', 'a"b\\c<!--', '!', '~'.repeat(128)]) {
      assert.equal(await ask(`X-Request-Id: ${id}\r\n`), id)
      assert.equal((await withId(id)).statusCode, 200)
    }
  })

  test('one is made where there is none, or none that is fit for use', async () => {
    const unfit = ['', 'a b', 'a\tb', '\xff\x9b', 'ümlaut', 'x'.repeat(129), 'x'.repeat(8000)]
    const fields = [
      ...unfit.map((id) => `X-Request-Id: ${id}\r\n`),
      '',
      'X-Request-Id: a\r\nx-request-id: b\r\n',
    ]
    const made = new Set<string>()
    for (const text of fields) {
      const id = (await ask(text)) as string
      assert.match(id, /^[0-9a-f]{16}-[0-9a-z]+$/, text)
      assert.equal((await withId(id)).statusCode, 200)
      made.add(id)
    }
    assert.equal(made.size, fields.length)
  })

  test('requests sent ahead have one each, whatever Connection names', async () => {
    const client = new RawClient(gateway.url)
    const get = (id: string) => `GET /${id} HTTP/1.1\r\nHost: h\r\nX-Request-Id: ahead-${id}\r\n`
    client.send(
      `${get('1')}\r\n${get('2')}Connection: x-request-id\r\n\r\n${get('3')}Connection: close\r\n\r\n`,
    )
    await client.untilClosed()
    for (const id of ['1', '2', '3']) {
      assert.equal((await withId(`ahead-${id}`)).path, `/${id}`)
      const asked = backend.requests.find((request) => request.startsWith(`GET /${id} `)) as string
      assert.equal(field(asked, 'x-request-id'), `ahead-${id}`)
    }
  })

  test("in an app it is the app's, unless the client has one", async (t) => {
    const open = async (options: FastifyServerOptions) => {
      const app = Fastify(options)
      t.after(() => app.close())
      await app.register(leastwise, { prefix: '/api', backends: [backend.url], maxBody: 1 })
      return await app.listen({ port: 0 })
    }
    const seen = () => field(backend.last, 'x-request-id')
    const url = `${await open({ genReqId: () => 'ours' })}/api`
    await call(url)
    assert.equal(seen(), 'ours')
    await call(url, { headers: { 'x-request-id': 'theirs' } })
    assert.equal(seen(), 'theirs')
    const refused = await call(url, { method: 'POST', body: 'large' })
    assert.deepEqual([refused.status, refused.headers['x-request-id']], [413, 'ours'])
    // An app may take whatever comes.
    const careless = `${await open({ requestIdHeader: 'x-request-id' })}/api`
    await exchange(
      careless,
      `GET /api HTTP/1.1\r\nHost: h\r\nX-Request-Id: ${'\xe9'.repeat(300)}\r\nConnection: close\r\n\r\n`,
    )
    const made = seen() as string
    assert.match(made, /^[0-9a-f]{16}-/)
    const same = gateway.lines.filter(({ reqId }) => String(reqId).startsWith(made.slice(0, 17)))
    assert.equal(same.length, 0, 'another process makes others')

    const h2 = Fastify({ http2: true, genReqId: () => 'ours' })
    t.after(() => h2.close())
    await h2.register(leastwise, { backends: [backend.url] })
    const session = connectHttp2(await h2.listen({ port: 0 }))
    for (const [given, expected] of [
      ['theirs', 'theirs'],
      ['not fit', 'ours'],
    ] as const) {
      const stream = session.request({ ':path': '/', 'x-request-id': given })
      await once(stream.resume(), 'end')
      assert.equal(seen(), expected)
    }
    session.close()
  })
})

describe('traces', () => {
  test('traceparent, tracestate and baggage are passed on byte for byte, also where they are not valid', async () => {
    for (const [parent, traceId] of [
      [`00-${TRACE}-b7ad6b7169203331-01`, TRACE],
      ['00-garbage;\xff', null],
    ] as const) {
      const fields = [`traceparent: ${parent}`, 'tracestate: a=1,  b@c=2;x', 'baggage: k=v;p, Ü=1']
      await exchange(
        gateway.url,
        `GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: trace-${traceId}\r\nConnection: close\r\n${fields.join('\r\n')}\r\n\r\n`,
      )
      for (const line of fields) assert.ok(backend.last.includes(`\r\n${line}\r\n`), line)
      assert.equal((await withId(`trace-${traceId}`)).traceId, traceId)
    }
  })

  test('a trace is one by the rules of its version', () => {
    const span = 'b7ad6b7169203331'
    const good = [`00-${TRACE}-${span}-00`, `cc-${TRACE}-${span}-01`, `cc-${TRACE}-${span}-01-what-comes`]
    for (const traceparent of good) assert.equal(traceIdOf({ traceparent }), TRACE, traceparent)
    for (const traceparent of [
      `00-${TRACE}-${span}-01-more`,
      `00-${TRACE}-${span}-01, 00-${TRACE}-${span}-01`,
      `cc-${TRACE}-${span}-01.more`,
      `ff-${TRACE}-${span}-01`,
      `00-${TRACE.toUpperCase()}-${span}-01`,
      `00-${'0'.repeat(32)}-${span}-01`,
      `00-${TRACE}-${'0'.repeat(16)}-01`,
      `00-${TRACE}-${span}`,
      '',
    ]) {
      assert.equal(traceIdOf({ traceparent }), null, traceparent)
    }
    assert.equal(traceIdOf({}), null)
  })
})

describe('each answer is one line, with the id that the client is told', () => {
  const head = 'Host: h\r\nConnection: close\r\n'
  const chunked = `POST / HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n`
  const cases: [text: string, statusCode: number, code: string, path: string | null][] = [
    ['\x16\x03\x01\x02\x1b[31m\r\n\r\n', 400, 'MALFORMED_REQUEST', null],
    [`GET / HTTP/1.1\r\n${head}X-Request-Id: a\0b\r\n\r\n`, 400, 'MALFORMED_REQUEST', null],
    [`GET / HTTP/1.1\r\n${head}X-Request-Id: ${'x'.repeat(65_536)}\r\n\r\n`, 431, 'HEAD_TOO_LARGE', null],
    [`GET /${'x'.repeat(65_536)} HTTP/1.1\r\n${head}\r\n`, 414, 'URI_TOO_LONG', null],
    ['GET /late HTTP/1.1\r\nHost: h\r\n', 408, 'REQUEST_TIMEOUT', null],
    [`${chunked}zz\r\n`, 400, 'MALFORMED_REQUEST', '/'],
    [`CONNECT me:hush-hush@h:443 HTTP/1.1\r\n${head}\r\n`, 405, 'METHOD_NOT_ALLOWED', 'h:443'],
    [`GET /a?hush-hush HTTP/1.1\r\n${head}Expect: wonders\r\n\r\n`, 417, 'EXPECTATION_FAILED', '/a'],
    [`GET /%zz?hush-hush HTTP/1.1\r\n${head}\r\n`, 400, 'INVALID_REQUEST', '/%zz'],
    [`GET http://me:hush-hush@h/a HTTP/1.1\r\n${head}\r\n`, 400, 'INVALID_REQUEST', '/a'],
    [`GET /a#hush-hush HTTP/1.1\r\n${head}\r\n`, 400, 'INVALID_REQUEST', '/a'],
    [`GET ftp://h/a HTTP/1.1\r\n${head}\r\n`, 400, 'INVALID_REQUEST', '/a'],
    [`GET / HTTP/1.1\r\nConnection: close\r\n\r\n`, 400, 'INVALID_REQUEST', '/'],
    [`TRACE / HTTP/1.1\r\n${head}\r\n`, 405, 'METHOD_NOT_ALLOWED', '/'],
    [`GET / HTTP/2.0\r\n${head}\r\n`, 505, 'VERSION', '/'],
    [`POST / HTTP/1.1\r\n${head}Transfer-Encoding: gzip, chunked\r\n\r\n`, 501, 'NOT_IMPLEMENTED', '/'],
    [`POST / HTTP/1.1\r\n${head}Content-Length: 11\r\n\r\n`, 413, 'BODY_TOO_LARGE', '/'],
    [`${chunked}b\r\n12345678901\r\n0\r\n\r\n`, 413, 'BODY_TOO_LARGE', '/'],
  ]
  for (const [text, statusCode, code, path] of cases) {
    test(`${statusCode} ${code} ${path}`, async () => {
      const answer = await exchange(gateway.url, text)
      const id = field(answer, 'x-request-id')
      assert.ok(answer.startsWith(`HTTP/1.1 ${statusCode} `), answer)
      const line = await withId(id)
      assert.deepEqual(
        [line.level, line.msg, line.statusCode, line.error, line.path, line.outcome, line.aborted],
        [30, 'request', statusCode, `LEASTWISE_${code}`, path, 'refused', false],
      )
      assert.equal(line.bytesOut, answer.length - answer.indexOf('\r\n\r\n') - 4)
    })
  }

  test('what backends fail with is one line as well', async () => {
    for (const [script, statusCode, error] of [
      [(socket) => socket.resetAndDestroy(), 502, 'LEASTWISE_BAD_GATEWAY'],
      ['HTTP/1.1 200 OK\r\nX-Secret: hush-hush\r\nBad\x01Header: x\r\n\r\n', 502, 'LEASTWISE_BAD_GATEWAY'],
      [() => {}, 504, 'LEASTWISE_GATEWAY_TIMEOUT'],
      [
        (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'),
        200,
        'LEASTWISE_BAD_GATEWAY',
      ],
    ] as [RawBackend['script'], number, string][]) {
      backend.script = script
      const client = new RawClient(gateway.url)
      const id = `fails-${statusCode}-${requests(gateway).length}`
      client.send(`GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Request-Id: ${id}\r\n\r\n`)
      await client.untilClosed()
      const line = await withId(id)
      assert.deepEqual([line.statusCode, line.error, line.outcome], [statusCode, error, 'failed'])
      if (statusCode === 200) assert.deepEqual([line.aborted, line.bytesOut], [true, 4])
      else assert.equal((line.responseHeaders as Record<string, string>)['x-request-id'], id)
    }
    backend.script = OK
  })

  test('there is nothing else about any of them', async () => {
    const ids = requests(gateway).map(({ reqId }) => reqId)
    assert.equal(new Set(ids).size, ids.length)
    assert.deepEqual(
      gateway.lines
        .filter(({ msg, level }) => msg !== 'request' && Number(level) >= 30)
        .map(({ msg }) => msg),
      gateway.lines.slice(0, 3).map(({ msg }) => msg),
      'but for the start',
    )
  })
})

test('a request that waits for another backend, as the first has failed it, was in the queue', async (t) => {
  const full = await answering(100)
  const env = { POLICY: 'round-robin', SLOW_START: '0', EJECT_MAX_PERCENT: '0', FAILURE_DECAY: '0' }
  const pool = `${deadUrl()};id=dead,${full.url};id=full;maxConnections=1`
  const own = await startGateway({ ...env, BACKENDS: pool, LOG_LEVEL: 'info' })
  t.after(async () => {
    await own.stop('SIGKILL')
    await full.close()
  })
  await Promise.all([call(own.url), call(own.url)])
  const line = await own.line(({ msg, queueTime }) => msg === 'request' && Number(queueTime) > 0)
  assert.deepEqual([line.backend, line.attempts], ['full', 2])
  const { text } = await call(`${own.admin}/metrics`)
  assert.match(text, /^leastwise_queue_wait_seconds_count\{pool="default"\} 1$/m)
})

test('no secret is in any line, at any level', async () => {
  const secret = 'hush-hush'
  const fields = {
    authorization: `Basic ${secret}`,
    'proxy-authorization': secret,
    cookie: `a=${secret}`,
    'x-api-key': secret,
    'x-custom': `Bearer ${secret}`,
    referer: `http://a/?${secret}`,
  }
  const { headers } = await call(`${gateway.url}/good?${secret}`, {
    headers: { ...fields, 'x-request-id': 'good' },
  })
  assert.equal(headers['set-cookie'], `sid=${secret}`, 'it passed by')
  const text = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  await exchange(gateway.url, `GET /?${secret} HTTP/1.1\r\n${text.join('')}Connection: close\r\n\r\n`)
  await exchange(gateway.url, `${text.join('')}\r\n`)
  const patch = { url: `http://me:${secret}@a` }
  for (const given of [`Bearer ${secret}`, secret, 'Bearer hush-hush-token']) {
    const { status } = await callJson('POST', `${gateway.admin}/backends?${secret}`, patch, {
      authorization: given,
    })
    assert.equal(status, given.endsWith('token') ? 400 : 401)
  }
  await call(`${gateway.url}/last`, { headers: { 'x-request-id': 'last' } })
  await withId('last')
  const { requestHeaders } = await withId('good')
  assert.equal((requestHeaders as Record<string, string>).authorization, '[redacted]')
  assert.equal((requestHeaders as Record<string, string>).referer, 'http://a/?***')
  for (const line of gateway.lines) assert.ok(!JSON.stringify(line).includes('hush'), JSON.stringify(line))
})

test('the first byte is never there before the request', async () => {
  backend.script = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'
  const asked = Array.from({ length: 30 }, (_, i) =>
    exchange(
      gateway.url,
      `GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: no-upgrade-${i}\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    ),
  )
  await Promise.all(asked)
  backend.script = OK
  for (const i of asked.keys()) {
    const { firstByteTime } = await withId(`no-upgrade-${i}`)
    assert.ok(Number(firstByteTime) > 0, `${firstByteTime}`)
  }
})

test('what is not meant for a log is taken out of header fields and paths', () => {
  const names = ['Authorization', 'x-auth-token', 'X-Amz-Security-Token', 'set-cookie', 'x-api-key', 'apikey']
  names.push('sec-websocket-protocol', 'x-csrf-token', 'my-password', 'x-hub-signature', 'client-secret')
  for (const name of names) assert.deepEqual(withoutSecrets({ [name]: 'v' }), { [name]: '[redacted]' })
  assert.deepEqual(
    withoutSecrets({
      gone: undefined,
      host: 'a',
      ':authority': 'a',
      location: 'https://u:p@a/b?c=d#e',
      link: '<a?b>; c',
      n: ['1', '2'],
    }),
    { host: 'a', ':authority': 'a', location: 'https://***@a/b?***', link: '<a?***>; c', n: '1,2' },
  )
  assert.deepEqual(withoutSecrets({ referer: 'http://u:p@q@a/?scope=a,b&token=c;d=e' }), {
    referer: 'http://***@a/?***',
  })
  assert.deepEqual(withoutSecrets({ a: '\x9b31m\xff' }), { a: '%9B31m%FF' })
  assert.equal(printable('€\u2028a b'), '%E2%82%AC%E2%80%A8a b')
  for (const [target, path] of [
    ['/a/b?c', '/a/b'],
    ['/a/\xe9?c', '/a/%E9'],
    ['http://u:p@h:1/a', '/a'],
    ['http://h', ''],
    ['*', '*'],
    ['h:443', 'h:443'],
  ] as const) {
    assert.equal(pathOf(target), path)
  }
})

test('LOG_FORMAT=pretty: a line for people, none lost, no colour where nobody looks', async () => {
  const { process: child, ended } = spawnServer({
    LOG_FORMAT: 'pretty',
    PORT: '0',
    ADMIN_PORT: 'off',
    BACKENDS: await deadUrl(),
    RETRIES: '0',
  })
  let text = ''
  const stdout = child.stdout as NodeJS.ReadableStream
  const until = async (pattern: RegExp) => {
    while (!pattern.test(text)) text += (await once(stdout, 'data'))[0]
    return pattern.exec(text)?.[1] as string
  }
  const url = await until(/listening at (\S+)/)
  await exchange(
    url,
    'GET /users?a=1 HTTP/1.1\r\nHost: h\r\nX-Request-Id: \x1b[31m\r\nConnection: close\r\n\r\n',
  )
  await exchange(url, 'GET /users/%1B?a HTTP/1.1\r\nHost: h\r\nX-Request-Id: x\r\nConnection: close\r\n\r\n')
  child.kill()
  const { stdout: all, code } = await ended
  assert.equal(code, 0)
  const line =
    /INFO: GET \/users\/%1B 502 LEASTWISE_BAD_GATEWAY 127\.0\.0\.1-\d+ [\d.]+ ms \{"reqId":"x",.*"clientAddress":"127\.0\.0\.1".*\}\n/
  assert.match(all, line)
  assert.match(all, /INFO: 400 LEASTWISE_MALFORMED_REQUEST \{"reqId":"\w+-1",.*\}\n/)
  assert.match(all.trimEnd().split('\n').at(-1) as string, /INFO: stopped$/)
  // Said where a proxy is between.
  assert.ok(!all.includes('remoteAddress'))
  assert.ok(!all.includes('\x1b'))
})

test('LOG_FORMAT=pretty without pino-pretty: lines are JSON, and one says what to install', async (t) => {
  const gateway = await startGateway({ LOG_FORMAT: 'pretty' }, [
    '--import',
    withoutPretty,
    join(root, 'dist/src/gateway/main.js'),
  ])
  t.after(() => gateway.stop('SIGKILL'))
  const said = gateway.lines.filter(({ msg }) => String(msg).includes('pino-pretty'))
  assert.deepEqual(
    said.map(({ level, msg }) => [level, msg]),
    [
      [
        40,
        'log lines are JSON: LOG_FORMAT=pretty needs the package pino-pretty; npm install pino-pretty adds it',
      ],
    ],
  )
})

/** A module that has Node find no package pino-pretty. */
const withoutPretty = dataUrl(`import { register } from 'node:module'
register(${JSON.stringify(
  dataUrl(`export function resolve(name, context, next) {
    return next(name === 'pino-pretty' ? 'no-such-package' : name, context)
  }`),
)})`)

function dataUrl(code: string): string {
  return `data:text/javascript,${encodeURIComponent(code)}`
}
