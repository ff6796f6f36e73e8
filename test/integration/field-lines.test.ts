import assert from 'node:assert/strict'
import { connect } from 'node:http2'
import { after, before, test } from 'node:test'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import leastwise, { type LeastwiseOptions } from '../../src/index.js'
import { bodyOf, exchange, field, RawBackend } from '../support/raw.js'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
let backend: RawBackend
const apps: FastifyInstance[] = []
/** The address of an app without hooks, and of one whose hooks do what `act` does. */
let bare: string
let hooked: string
let act: (request: FastifyRequest) => void = () => {}

async function open(
  prepare: (app: FastifyInstance) => void,
  options: LeastwiseOptions = {},
  own: object = {},
): Promise<string> {
  const app = Fastify({ forceCloseConnections: true, ...own })
  apps.push(app)
  prepare(app)
  await app.register(leastwise, { backends: [backend.url], ...options })
  return await app.listen({ port: 0, host: '127.0.0.1' })
}

before(async () => {
  backend = await new RawBackend(OK).listen()
  bare = await open(() => {})
  hooked = await open((app) => app.addHook('preHandler', async (request) => act(request)))
})

after(async () => {
  for (const app of apps) await app.close()
  await backend.close()
})

/** Names of the fields that the gateway itself writes. */
const OWN = /^(host|x-request-id|via|x-forwarded-.*|forwarded|connection): /i

/** The lines of the client that the backend hears, in their order. */
async function lines(url: string, fields: readonly string[], line = 'GET /', body = ''): Promise<string[]> {
  const head = [`${line} HTTP/1.1`, 'Host: shop.example', 'Connection: close', ...fields]
  const answer = await exchange(url, `${head.join('\r\n')}\r\n\r\n${body}`)
  assert.match(answer, /^HTTP\/1\.1 200 /)
  return passed(backend.last)
}

function passed(request: string): string[] {
  const [head = ''] = request.split('\r\n\r\n')
  return head.split('\r\n').filter((text, i) => i > 0 && !OWN.test(text))
}

/** What two apps send to the backend, one without hooks and one with a hook that changes nothing. */
async function lineSets(fields: readonly string[], line?: string, body?: string): Promise<string[][]> {
  act = () => {}
  return [await lines(bare, fields, line, body), await lines(hooked, fields, line, body)]
}

const given = [
  'X-B: 1',
  'x-a: caf\xe9',
  'X-B: 2',
  'Accept: text/html',
  'ACCEPT: */*',
  'Cookie: a=1',
  'Cookie: b=2',
  'Set-Cookie: c=3',
  'set-cookie: d=4',
  '12: number',
  'constructor: c',
  'toString: s',
  'X-Empty: ',
  'x-b: 3',
]

test('every line of a client reaches the backend as it came, with and without a hook', async () => {
  for (const sent of await lineSets(given)) assert.deepEqual(sent, given)
  const sized = [...given, 'CONTENT-Length: 2', 'X-Last: z']
  for (const sent of await lineSets(sized, 'POST /', 'hi')) assert.deepEqual(sent, sized)
  const chunked = ['Trailer: X-T', ...given, 'Transfer-Encoding: chunked', 'X-Last: z']
  for (const sent of await lineSets(chunked, 'DELETE /', '2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n')) {
    assert.deepEqual(sent, ['Trailer: X-T', ...given, 'X-Last: z', 'transfer-encoding: chunked'])
    assert.equal(bodyOf(backend.last).toLowerCase(), '2\r\nhi\r\n0\r\nx-t: 1\r\n\r\n')
  }
})

test('of a field that Node tells once, the backend gets what hooks have seen', async () => {
  const once = ['Authorization: Basic YQ==', 'User-Agent: first', 'Content-Type: text/plain', 'X-A: 1']
  const twice = [
    ...once,
    'X-A: 2',
    'authorization: Basic Yg==',
    'USER-AGENT: second',
    'content-type: text/html',
  ]
  for (const sent of await lineSets(twice)) assert.deepEqual(sent, [...once, 'X-A: 2'])
  for (const sent of await lineSets([...once, 'authorization: Basic YQ=='])) assert.deepEqual(sent, once)
  // An app may have Node join these fields, and then hooks have seen all lines.
  const joining = await open(
    (app) => app.addHook('onRequest', async ({ raw }) => void seen.push(raw.headers.authorization)),
    {},
    {
      http: { joinDuplicateHeaders: true },
    },
  )
  const seen: unknown[] = []
  assert.deepEqual(await lines(joining, ['Authorization: a', 'Authorization: b']), [
    'Authorization: a',
    'Authorization: b',
  ])
  assert.deepEqual(seen, ['a, b'])
})

type Fields = FastifyRequest['raw']['headers']

const set = (fields: Fields) => (headers: Fields) => void Object.assign(headers, fields)
const unset = (name: string) => (headers: Fields) => void Reflect.deleteProperty(headers, name)

const changes: [what: string, change: (headers: Fields) => void, expected: string[]][] = [
  ['changes a field', set({ 'x-a': 'own' }), ['X-A: own', 'x-b: 2', 'X-A2: 3', 'X-B: 4']],
  ['changes a repeated field', set({ 'x-b': 'own' }), ['X-A: 1', 'x-b: own', 'X-A2: 3']],
  ['sets a repeated field to its first value', set({ 'x-b': '2' }), ['X-A: 1', 'x-b: 2', 'X-A2: 3']],
  [
    'makes several lines of a field',
    set({ 'x-a': ['p', 'q'] }),
    ['X-A: p', 'X-A: q', 'x-b: 2', 'X-A2: 3', 'X-B: 4'],
  ],
  ['removes a field', unset('x-a'), ['x-b: 2', 'X-A2: 3', 'X-B: 4']],
  ['removes a repeated field', unset('x-b'), ['X-A: 1', 'X-A2: 3']],
  ['unsets a field', set({ 'x-a': undefined }), ['x-b: 2', 'X-A2: 3', 'X-B: 4']],
  ['adds a field', set({ 'X-New': 'own' }), ['X-A: 1', 'x-b: 2', 'X-A2: 3', 'X-B: 4', 'x-new: own']],
  [
    'removes a field and sets another in its place',
    (headers) => {
      unset('x-a')(headers)
      set({ 'x-n': '1' })(headers)
    },
    ['x-b: 2', 'X-A2: 3', 'X-B: 4', 'x-n: 1'],
  ],
  [
    'removes a field and sets it again',
    (headers) => {
      unset('x-a')(headers)
      set({ 'x-a': '1' })(headers)
    },
    ['X-A: 1', 'x-b: 2', 'X-A2: 3', 'X-B: 4'],
  ],
]
for (const [what, change, expected] of changes) {
  test(`a hook has the last word: it ${what}`, async () => {
    act = ({ raw }) => change(raw.headers)
    assert.deepEqual(await lines(hooked, ['X-A: 1', 'x-b: 2', 'X-A2: 3', 'X-B: 4']), expected)
  })
}

test('a hook that replaces fields by request.headers has the last word as well', async () => {
  act = (request) => {
    request.headers = { 'X-A': 'own', 'x-c': '5' }
  }
  assert.deepEqual(await lines(hooked, ['X-A: 1', 'x-b: 2', 'X-B: 4']), [
    'X-A: own',
    'x-b: 2',
    'X-B: 4',
    'x-c: 5',
  ])
})

test('a field that a hook removes is gone, also one with the name of a property of every object', async () => {
  act = ({ raw }) => {
    Reflect.deleteProperty(raw.headers, 'constructor')
  }
  assert.deepEqual(await lines(hooked, ['Constructor: c', 'x-b: 2']), ['x-b: 2'])
})

test('fields of the connection and of proxies stay out, wherever they stand among other fields', async () => {
  const out = [
    'Keep-Alive: x',
    'TE: x',
    'Proxy-Connection: x',
    'X-Real-IP: x',
    'X-Nominated: x',
    'Via: 1.1 x',
  ]
  // Node puts names that are numbers before all others.
  const fields = out.flatMap((line, i) => [line, `${10 ** (line.indexOf(':') - 1) + i}: x`, 'X-B: x'])
  const kept = fields.filter((line) => !out.includes(line))
  const nominating = [...fields, 'Connection: x-nominated']
  for (const sent of await lineSets(nominating)) assert.deepEqual(sent, kept)
  act = ({ raw: { headers } }) => {
    for (const name of Object.keys(headers).reverse()) {
      const value = headers[name]
      delete headers[name]
      headers[name] = value
    }
  }
  const moved = await lines(hooked, nominating)
  // A hook that sets X-Real-IP, even to the same value, sends it.
  assert.deepEqual(moved.filter((line) => line !== 'X-Real-IP: x').sort(), [...kept].sort())
})

test('a field of the connection does not pass for another one with the same value', async () => {
  // Node has the number first, although it is the second line.
  for (const [name, number] of [
    ['TE', '12'],
    ['Proxy-Connection', '1234567890123456'],
    ['Keep-Alive', '1234567890'],
  ]) {
    act = () => {}
    for (const url of [bare, hooked]) {
      const fields = `${name}: x\r\n${number}: x\r\nHost: a\r\nConnection: close\r\n`
      await exchange(url, `GET / HTTP/1.1\r\n${fields}\r\n`)
      assert.deepEqual(passed(backend.last), [`${number}: x`])
    }
  }
  act = ({ raw: { headers } }) => {
    Reflect.deleteProperty(headers, 'x-admin')
    headers['x-audit'] = '1'
  }
  assert.deepEqual(await lines(hooked, ['X-Admin: 1']), ['x-audit: 1'])
})

test('no request with two lengths, two codings or two hosts comes through', async () => {
  const before = backend.requests.length
  for (const url of [bare, hooked]) {
    for (const fields of [
      ['Host: a', 'Content-Length: 2', 'Content-Length: 3'],
      ['Host: a', 'Content-Length: 2', 'content-length: 2'],
      ['Host: a', 'Content-Length: 2, 2'],
      ['Host: a', 'Content-Length: 2', 'Transfer-Encoding: chunked'],
      ['Host: a', 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
      ['Host: a', 'Transfer-Encoding: gzip', 'Transfer-Encoding: chunked'],
      ['Host: a', 'Host: b'],
      ['Host: a', 'host: a'],
    ]) {
      const answer = await exchange(
        url,
        `POST / HTTP/1.1\r\n${fields.join('\r\n')}\r\nConnection: close\r\n\r\nhi!`,
      )
      assert.match(answer, /^HTTP\/1\.1 (400|501) /, fields.join())
    }
  }
  assert.equal(backend.requests.length, before)
})

test('`__proto__` is a name like any other, in requests', async () => {
  const sent = ['__proto__: a', 'x-a: 1', '__PROTO__: b']
  const passing = await open((app) => app.addHook('preHandler', async () => {}), {
    underscoreHeaders: 'pass',
  })
  const passingBare = await open(() => {}, { underscoreHeaders: 'pass' })
  for (const url of [passing, passingBare]) {
    assert.deepEqual(await lines(url, sent), sent)
    // In any case the fields around it are those of the client.
    assert.deepEqual(await lines(url, [...sent, 'Connection: __proto__']), ['x-a: 1'])
  }
  // Like every name with an underscore, it is dropped where those are.
  for (const one of await lineSets(sent)) assert.deepEqual(one, ['x-a: 1'])
})

test('`__proto__` is a name like any other, in responses', async () => {
  const seeing = await open((app) => app.addHook('onSend', async (_request, _reply, payload) => payload))
  for (const url of [bare, seeing]) {
    for (const line of ['GET /', 'POST /']) {
      backend.script =
        'HTTP/1.1 200 OK\r\n__proto__: a\r\n__Proto__: b\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nok'
      const answer = await exchange(url, `${line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
      backend.script = OK
      assert.deepEqual(
        [field(answer, '__proto__'), field(answer, 'x-a'), bodyOf(answer)],
        ['a | b', '1', 'ok'],
      )
    }
  }
})

test('`__proto__` of a response that is not sent is not sent with the error', async () => {
  const failing = await open((app) =>
    app.addHook('onSend', async (_request, reply) => {
      if (reply.statusCode === 200) throw new Error('no')
    }),
  )
  backend.script = 'HTTP/1.1 200 OK\r\n__proto__: a\r\nContent-Length: 2\r\n\r\nok'
  const answer = await exchange(failing, 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  backend.script = OK
  assert.match(answer, /^HTTP\/1\.1 500 /)
  assert.equal(field(answer, '__proto__'), undefined)
})

test('lines of HTTP/2 are passed on as well, and its cookies in one line', async () => {
  for (const prepare of [
    () => {},
    (app: FastifyInstance) => void app.addHook('preHandler', async () => {}),
  ]) {
    const url = await open(prepare, {}, { http2: true })
    const session = connect(url)
    const stream = session.request({ 'x-a': ['1', '2'], cookie: ['a=1', 'b=2'], accept: 'x' })
    for await (const _chunk of stream.resume());
    session.close()
    assert.deepEqual(passed(backend.last), ['x-a: 1', 'x-a: 2', 'cookie: a=1; b=2', 'accept: x'])
  }
})
