import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { isUnsendable } from '../../../../src/proxy/upstream/failures/failures.js'
import { bodyFraming, requestHead } from '../../../../src/proxy/upstream/transport/http1/request-head.js'
import type { UpstreamRequest } from '../../../../src/proxy/upstream/transport/transport.js'

const HOST = ['host', 'a.example']
const kept = { isLast: false }

function request(parts: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    method: 'GET',
    path: '/',
    fields: HOST,
    body: undefined,
    maxBody: 0,
    source: undefined,
    wholeBody: undefined,
    upgrade: undefined,
    expectsContinue: false,
    takesTrailers: false,
    isTrailerDropped: undefined,
    ...parts,
  }
}

const withBody = (parts: Partial<UpstreamRequest> = {}) =>
  request({ method: 'POST', body: Readable.from([]), ...parts })

/** The lines of a head between the request line and the empty line. */
function linesOf(parts: UpstreamRequest, options = kept): string[] {
  const lines = requestHead(parts, options).split('\r\n')
  assert.deepEqual(lines.splice(-2), ['', ''])
  return lines.slice(1)
}

test('a request without anything special', () => {
  assert.equal(
    requestHead(request({ path: '/a?b=c%20d' }), kept),
    'GET /a?b=c%20d HTTP/1.1\r\nhost: a.example\r\nconnection: keep-alive\r\n\r\n',
  )
  assert.deepEqual(linesOf(request(), { isLast: true }), ['host: a.example', 'connection: close'])
})

test('every field is a line of its own, as it came', () => {
  const fields = [
    ...HOST,
    ...['Accept', 'a'],
    ...['accept', 'b'],
    ...['X-Latin', 'caf\xe9 \xff'],
    ...['X-Empty', ''],
    ...['X-Tab', 'a\tb'],
    ...['__proto__', 'p'],
    ...['constructor', 'c'],
    ...["x-!#$%&'*+-.^_`|~9", 'token'],
    ...['Cookie', 'a=1'],
    ...['Cookie', 'b=2'],
  ]
  assert.deepEqual(linesOf(request({ fields })), [
    'host: a.example',
    'Accept: a',
    'accept: b',
    'X-Latin: caf\xe9 \xff',
    'X-Empty: ',
    'X-Tab: a\tb',
    '__proto__: p',
    'constructor: c',
    "x-!#$%&'*+-.^_`|~9: token",
    'Cookie: a=1',
    'Cookie: b=2',
    'connection: keep-alive',
  ])
})

test('any token is a method, and the target may be an asterisk', () => {
  for (const method of ['M-SEARCH', 'QUERY', 'get', "A!#$%&'*+-.^_`|~1"]) {
    assert.match(
      requestHead(request({ method }), kept),
      new RegExp(`^${method.replace(/\W/g, '\\$&')} / HTTP/1.1\r\n`),
    )
  }
  const asterisk = requestHead(request({ method: 'OPTIONS', path: '*' }), kept)
  assert.equal(asterisk, 'OPTIONS * HTTP/1.1\r\nhost: a.example\r\nconnection: keep-alive\r\n\r\n')
  assert.match(
    requestHead(request({ path: '/caf\xe9"<>{}|\\^`' }), kept),
    /^GET \/caf\xe9"<>\{\}\|\\\^` HTTP/,
  )
})

test('a request says that it has no body where its method lets a server expect one', () => {
  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) {
    assert.deepEqual(linesOf(request({ method })), ['host: a.example', 'connection: keep-alive'])
  }
  for (const method of ['POST', 'PUT', 'PATCH', 'PROPFIND', 'MADE-UP']) {
    assert.deepEqual(linesOf(request({ method })), [
      'host: a.example',
      'content-length: 0',
      'connection: keep-alive',
    ])
  }
  // What the client says itself stays as it is.
  for (const method of ['GET', 'DELETE', 'POST']) {
    assert.deepEqual(linesOf(request({ method, fields: [...HOST, 'Content-Length', '0'] })), [
      'host: a.example',
      'Content-Length: 0',
      'connection: keep-alive',
    ])
  }
})

test('a body has its length or comes in chunks, as the client chose, with any method', () => {
  for (const method of ['GET', 'POST', 'DELETE']) {
    const sized = withBody({ method, fields: [...HOST, 'Content-Length', '12'] })
    assert.deepEqual(linesOf(sized), ['host: a.example', 'Content-Length: 12', 'connection: keep-alive'])
    assert.equal(bodyFraming(sized), 12)
    const chunked = withBody({ method })
    assert.deepEqual(linesOf(chunked), [
      'host: a.example',
      'transfer-encoding: chunked',
      'connection: keep-alive',
    ])
    assert.equal(bodyFraming(chunked), 'chunked')
    assert.equal(bodyFraming(request({ method })), 'none')
  }
  assert.equal(bodyFraming(withBody({ fields: [...HOST, 'content-length', '0'] })), 0)
})

test('Trailer is sent only where a body comes in chunks', () => {
  const fields = [...HOST, 'Trailer', 'x-sum', 'x-other', 'o']
  assert.ok(linesOf(withBody({ fields })).includes('Trailer: x-sum'))
  assert.ok(!linesOf(request({ fields })).join().includes('railer'))
  assert.ok(
    !linesOf(withBody({ fields: [...fields, 'content-length', '2'] }))
      .join()
      .includes('railer'),
  )
})

test('how a body is framed is decided here, whatever a field says', () => {
  const fields = [...HOST, 'Transfer-Encoding', 'gzip, chunked']
  assert.deepEqual(linesOf(request({ fields })), ['host: a.example', 'connection: keep-alive'])
  assert.deepEqual(linesOf(withBody({ fields })).slice(1, -1), ['transfer-encoding: chunked'])
  const sized = withBody({ fields: [...fields, 'content-length', '2'] })
  assert.deepEqual(linesOf(sized).slice(1, -1), ['content-length: 2'])
})

test('Expect is sent with a body only', () => {
  assert.deepEqual(linesOf(withBody({ expectsContinue: true })).slice(1), [
    'transfer-encoding: chunked',
    'expect: 100-continue',
    'connection: keep-alive',
  ])
  const sized = withBody({ expectsContinue: true, fields: [...HOST, 'content-length', '2'] })
  assert.deepEqual(linesOf(sized).slice(2), ['expect: 100-continue', 'connection: keep-alive'])
  assert.ok(
    !linesOf(request({ expectsContinue: true }))
      .join()
      .includes('expect'),
  )
})

test('TE and Upgrade are named in Connection', () => {
  const last = { isLast: true }
  assert.deepEqual(linesOf(request({ takesTrailers: true })).slice(1), [
    'te: trailers',
    'connection: keep-alive, te',
  ])
  assert.deepEqual(linesOf(request({ takesTrailers: true }), last).slice(1), [
    'te: trailers',
    'connection: close, te',
  ])
  const upgrade = request({ upgrade: 'websocket, foo/2' })
  assert.deepEqual(linesOf(upgrade).slice(1), ['upgrade: websocket, foo/2', 'connection: upgrade'])
  assert.deepEqual(linesOf(upgrade, last), linesOf(upgrade))
  assert.deepEqual(linesOf(request({ upgrade: 'foo', takesTrailers: true })).slice(1), [
    'upgrade: foo',
    'te: trailers',
    'connection: upgrade, te',
  ])
})

const unsendable: [what: string, code: string, request: UpstreamRequest][] = [
  ['a method with a space', 'ERR_INVALID_HTTP_TOKEN', request({ method: 'GET /x' })],
  ['a method with a line break', 'ERR_INVALID_HTTP_TOKEN', request({ method: 'GET\r\n' })],
  ['an empty method', 'ERR_INVALID_HTTP_TOKEN', request({ method: '' })],
  ['a path with a space', 'ERR_UNESCAPED_CHARACTERS', request({ path: '/a b' })],
  ['a path with a line break', 'ERR_UNESCAPED_CHARACTERS', request({ path: '/a\r\nx: y' })],
  ['a path with a line feed at its end', 'ERR_UNESCAPED_CHARACTERS', request({ path: '/a\n' })],
  ['a path beyond latin1', 'ERR_UNESCAPED_CHARACTERS', request({ path: '/\u010a' })],
  ['an empty path', 'ERR_UNESCAPED_CHARACTERS', request({ path: '' })],
  ['an upgrade with a line break', 'ERR_INVALID_CHAR', request({ upgrade: 'a\r\nb: c' })],
  ['a Host with a line break', 'ERR_INVALID_CHAR', request({ fields: ['host', 'a\r\nb: c'] })],
  ...['\r', '\n', '\r\nx: y', '\0', '\x7f', '\x1f', '\u010d', '\u010a', '\ud83d\ude00'].map(
    (text): [string, string, UpstreamRequest] => [
      `${JSON.stringify(text)} in a value`,
      'ERR_INVALID_CHAR',
      request({ fields: [...HOST, 'x-a', `a${text}`] }),
    ],
  ),
  ...['', 'a b', 'a:', 'x\r\ny', 'x\n', '\xe9', '\u0161', 'transfer-encoding ', '(a)'].map(
    (name): [string, string, UpstreamRequest] => [
      `the name ${JSON.stringify(name)}`,
      'ERR_INVALID_HTTP_TOKEN',
      request({ fields: [...HOST, name, 'a'] }),
    ],
  ),
  ...['', 'abc', '-1', '+1', '1.5', '0x1', ' 1', '1, 1', '1e3', '\u0661'].map(
    (value): [string, string, UpstreamRequest] => [
      `the length ${JSON.stringify(value)}`,
      'ERR_HTTP_INVALID_HEADER_VALUE',
      withBody({ fields: [...HOST, 'content-length', value] }),
    ],
  ),
  [
    'two lengths',
    'ERR_HTTP_INVALID_HEADER_VALUE',
    withBody({ fields: [...HOST, 'Content-Length', '1', 'content-length', '1'] }),
  ],
  [
    'a length without a body',
    'ERR_HTTP_CONTENT_LENGTH_MISMATCH',
    request({ fields: [...HOST, 'content-length', '5'] }),
  ],
]
for (const [what, code, parts] of unsendable) {
  test(`${what} is not sent`, () => {
    assert.throws(
      () => requestHead(parts, kept),
      (error: NodeJS.ErrnoException) =>
        error.code === code && isUnsendable(error) && !/[\r\n\0]/.test(error.message),
    )
    if (code === 'ERR_HTTP_INVALID_HEADER_VALUE') assert.throws(() => bodyFraming(parts), { code })
  })
}

test("Node's server reads a head as it was meant", async (t) => {
  const fields = [
    'host',
    'a.example',
    'X-A',
    'one',
    'x-a',
    'caf\xe9',
    '__proto__',
    'p',
    'Content-Length',
    '2',
  ]
  const server = createServer(({ method, url, rawHeaders }, response) => {
    response.end(JSON.stringify({ method, url, rawHeaders }))
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const sent = withBody({ path: '/a?b', fields, takesTrailers: true })
  socket.write(`${requestHead(sent, { isLast: true })}hi`, 'latin1')
  let text = ''
  for await (const chunk of socket) text += chunk
  assert.deepEqual(JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)), {
    method: 'POST',
    url: '/a?b',
    rawHeaders: [...fields, 'te', 'trailers', 'connection', 'close, te'],
  })
})
