import assert from 'node:assert/strict'
import { once } from 'node:events'
import { METHODS } from 'node:http'
import type { Socket } from 'node:net'
import { after, afterEach, before, test } from 'node:test'
import { call } from '../support/client.js'
import { type Gateway, openGateway } from '../support/gateway.js'
import { bodyOf, exchange, field, RawBackend, RawClient } from '../support/raw.js'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

let backend: RawBackend
let gateway: Gateway

before(async () => {
  backend = await new RawBackend(OK).listen()
  gateway = await openGateway([backend])
})
afterEach(async () => {
  backend.script = OK
  backend.requests.length = 0
  backend.unfinished = ''
  await gateway.settled()
  assert.deepEqual(gateway.complaints.splice(0), [])
})
after(async () => {
  await gateway.close()
  await backend.close()
})

/** What a client hears that says `text` and then waits for the connection to be closed. */
const ask = (text: string) => exchange(gateway.url, text)

/** A request with a Host, the last on its connection. */
const request = (line: string, fields = '', body = '') =>
  `${line} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n${fields}\r\n${body}`

/** What the backend hears of a request. */
async function forwarded(line: string, fields = '', body = ''): Promise<string> {
  const answer = await ask(request(line, fields, body))
  assert.match(answer, /^HTTP\/1\.1 200 /)
  return backend.last
}

/** What the client hears of an answer. */
async function passed(bytes: string, line = 'GET /'): Promise<string> {
  backend.script = bytes
  return await ask(request(line))
}

test('RFC 9110 7.6.1: fields of one connection and those that Connection names are not passed on', async () => {
  const heard = await forwarded(
    'POST /',
    'Connection: X-One , x-two\r\nX-One: 1\r\nX-Two: 2\r\nX-Three: 3\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\n' +
      'Proxy-Authorization: Basic eA==\r\nUpgrade: foo\r\nTE: gzip\r\nContent-Length: 2\r\n',
    'hi',
  )
  for (const name of [
    'x-one',
    'x-two',
    'keep-alive',
    'proxy-connection',
    'proxy-authorization',
    'upgrade',
    'te',
  ]) {
    assert.equal(field(heard, name), undefined, name)
  }
  assert.deepEqual([field(heard, 'x-three'), bodyOf(heard)], ['3', 'hi'])

  backend.script =
    'HTTP/1.1 200 OK\r\nConnection: close, X-One\r\nConnection: x-two\r\nX-One: 1\r\nX-Two: 2\r\nX-Three: 3\r\n' +
    'Keep-Alive: timeout=1\r\nUpgrade: h2c\r\nProxy-Connection: x\r\nContent-Length: 2\r\n\r\nok'
  const client = new RawClient(gateway.url).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const answer = await client.until('\r\n\r\nok')
  for (const name of ['x-one', 'x-two', 'proxy-connection', 'upgrade']) {
    assert.equal(field(answer, name), undefined, name)
  }
  assert.deepEqual([field(answer, 'x-three'), field(answer, 'connection')], ['3', 'keep-alive'])
  // The backend's close is not the client's.
  backend.script = OK
  await client.send(request('GET /again')).untilClosed()
  assert.match(backend.last, /^GET \/again /)
})

test('RFC 9110 7.6.3: Via is added both ways, after what is there', async () => {
  backend.script = 'HTTP/1.1 200 OK\r\nVia: 1.0 cache\r\nContent-Length: 2\r\n\r\nok'
  const answer = await ask('GET / HTTP/1.0\r\nHost: a\r\nVia: 1.1 one\r\nVia: 1.1 two\r\n\r\n')
  assert.match(field(backend.last, 'via') as string, /^1\.1 one, 1\.1 two, 1\.0 leastwise-[0-9a-f]+$/)
  assert.match(field(answer, 'via') as string, /^1\.0 cache, 1\.1 leastwise-[0-9a-f]+$/)
})

test('RFC 9110 7.6.3: a request that comes back is refused, not sent round', async () => {
  const loop = await openGateway([])
  loop.balancer.registry.add({ url: loop.url })
  const answer = await exchange(loop.url, request('GET /'))
  assert.match(answer, /^HTTP\/1\.1 508 [\s\S]*LEASTWISE_LOOP/)
  assert.equal(loop.backend().leases.total, 1)
  await loop.close()
})

test('RFC 7239 and X-Forwarded-*: replaced, or with TRUST_PROXY appended to', async () => {
  const given =
    'X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: front\r\nForwarded: for=6.6.6.6\r\n'
  const own = 'for=127.0.0.1;proto=http;host="shop.example"'
  const fields = (heard: string) =>
    ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded'].map((name) =>
      field(heard, name),
    )
  assert.deepEqual(fields(await forwarded('GET /', given)), ['127.0.0.1', 'http', 'shop.example', own])
  const trusting = await openGateway([backend], { TRUST_PROXY: 'true' })
  await exchange(trusting.url, request('GET /', given))
  assert.deepEqual(fields(backend.last), [
    '6.6.6.6, 127.0.0.1',
    'https',
    'front',
    'for=6.6.6.6, for=127.0.0.1;proto=https;host="front"',
  ])
  await trusting.close()
})

test('RFC 9110 7.2: the Host is the client’s, or the backend’s own by HOST_HEADER', async () => {
  assert.equal(field(await forwarded('GET /'), 'host'), 'shop.example')
  const own = await openGateway([backend], { HOST_HEADER: 'backend' })
  for (const line of ['GET /', 'POST /']) {
    await exchange(own.url, request(line))
    assert.equal(field(backend.last, 'host'), new URL(backend.url).host)
  }
  await own.close()
})

test('RFC 9110 10.1.1: the backend asks for a body that was announced with Expect', async () => {
  backend.script = (socket, heard) => {
    assert.equal(field(heard, 'expect'), '100-continue')
    socket.write(OK)
  }
  const client = new RawClient(gateway.url)
  const head =
    'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n'
  client.send(head)
  await backend.until(({ unfinished }) => unfinished.includes('\r\n\r\n'))
  assert.equal(client.text, '', 'nobody has asked yet')
  for (const socket of backend.sockets) socket.write('HTTP/1.1 100 Continue\r\n\r\n')
  await client.until('HTTP/1.1 100 Continue\r\n')
  assert.match(await client.send('body').untilClosed(), /^HTTP\/1\.1 100 [\s\S]*HTTP\/1\.1 200 [\s\S]*ok$/)
  assert.equal(bodyOf(backend.last), 'body')
})

test('RFC 9110 10.1.1: a backend may refuse the body unseen, or not know about Expect', async () => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n'
  const refusing = new RawClient(gateway.url).send(head)
  await backend.until(({ unfinished }) => unfinished.includes('\r\n\r\n'))
  for (const socket of backend.sockets) socket.write('HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n')
  const answer = await refusing.until('\r\n\r\n')
  assert.match(answer, /^HTTP\/1\.1 417 /)
  assert.equal(field(answer, 'connection'), 'close', 'what comes next may be the body')
  refusing.close()

  const unaware = new RawClient(gateway.url).send(head)
  await unaware.until('HTTP/1.1 100 Continue\r\n')
  await unaware.send('body').until('\r\n\r\nok')
  assert.equal(bodyOf(backend.last), 'body')
  unaware.close()
})

test('RFC 9110 15.2 and RFC 8297: informational answers are passed on, with and without a body to the request', async () => {
  const hints =
    'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>; rel=preload\r\nConnection: x\r\nX: 1\r\n\r\n'
  for (const [line, body] of [
    ['GET /', ''],
    ['POST /', 'hi'],
  ] as const) {
    backend.script = `HTTP/1.1 102 Processing\r\n\r\n${hints}${hints}${OK}`
    const answer = await ask(request(line, body && 'Content-Length: 2\r\n', body))
    assert.deepEqual(
      answer.match(/HTTP\/1\.1 \d+/g),
      ['102', '103', '103', '200'].map((status) => `HTTP/1.1 ${status}`),
    )
    const [, hint] = answer.split(/(?=HTTP\/1\.1)/)
    assert.equal(field(hint as string, 'link'), '</a.css>; rel=preload | </b.js>; rel=preload')
    assert.equal(field(hint as string, 'x'), undefined)
  }
  backend.script = hints + OK
  assert.deepEqual((await ask('GET / HTTP/1.0\r\nHost: a\r\n\r\n')).match(/HTTP\/1\.1 \d+/g), [
    'HTTP/1.1 200',
  ])
})

test('RFC 9110 15.2: 100 that nobody waits for does not fail a request', async () => {
  backend.script = `HTTP/1.1 100 Continue\r\n\r\n${OK}`
  assert.match(await ask(request('POST /', 'Content-Length: 2\r\n', 'hi')), /HTTP\/1\.1 200 OK[\s\S]*ok$/)
})

test('RFC 9110 6.5: trailers pass both ways, but for those that must not come there', async () => {
  const body =
    '2\r\nhi\r\n0\r\nX-Sum: 1\r\nAuthorization: Basic eA==\r\nX_Forwarded_For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n' +
    'Proxy: http://evil\r\nX-Sum: 2\r\n\r\n'
  for (const announced of ['', 'Trailer: X-Sum\r\n']) {
    const heard = await forwarded('POST /', `Transfer-Encoding: chunked\r\n${announced}`, body)
    assert.match(bodyOf(heard), /^2\r\nhi\r\n0\r\nx-sum: 1\r\nx-sum: 2\r\n\r\n$/)
    assert.equal(field(heard, 'trailer'), announced ? 'X-Sum' : undefined)

    const answer = await passed(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n${announced}\r\n${body}`)
    assert.match(bodyOf(answer), /^2\r\nhi\r\n0\r\nx-sum: 1(, |\r\nx-sum: )2\r\n\r\n$/)
    assert.equal(field(answer, 'trailer'), announced ? 'X-Sum' : undefined)
  }
  // There is no place for them.
  const old = await ask('GET / HTTP/1.0\r\nHost: a\r\n\r\n')
  assert.match(old, /\r\n\r\nhi$/)
  assert.equal(field(old, 'trailer'), undefined)
})

test('RFC 9110 7.6.1: what a Connection field names is taken off the trailers, too', async () => {
  const body = '2\r\nhi\r\n0\r\nX-Sum: 1\r\nX-Own: 2\r\n\r\n'
  const heard = await forwarded('POST /', 'Transfer-Encoding: chunked\r\nConnection: X-Own\r\n', body)
  assert.equal(bodyOf(heard), '2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n')
  const answer = await passed(
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: x-own\r\n\r\n${body}`,
  )
  assert.equal(bodyOf(answer), '2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n')
})

test('a client cannot say in trailers what it cannot say in the head', async () => {
  const body =
    '2\r\nhi\r\n0\r\nX-Sum: 1\r\nX_Sum: 2\r\nCF-Connecting-IP: 6.6.6.6\r\nX-Request-Id: z\r\nX_Request_Id: z\r\n\r\n'
  const heard = await forwarded('POST /', 'Transfer-Encoding: chunked\r\n', body)
  assert.equal(bodyOf(heard), '2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n')
})

test('RFC 9110 10.1.4: that a client takes trailers is passed on, as ours', async () => {
  const heard = await forwarded('GET /', 'TE: gzip, trailers\r\n')
  assert.equal(field(heard, 'te'), 'trailers')
  assert.match(field(heard, 'connection') as string, /\bte\b/)
})

test('RFC 9112 6.3 and RFC 9110 8.6: HEAD, 204 and 304 have no body, whatever they say of its length', async () => {
  const head = await passed('HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n', 'HEAD /')
  assert.deepEqual([field(head, 'content-length'), bodyOf(head)], ['1234', ''])
  const chunked = await passed(
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n',
    'HEAD /',
  )
  assert.equal(bodyOf(chunked), '')
  for (const line of ['GET /', 'PUT /']) {
    const fresh = await passed('HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nETag: "x"\r\n\r\n', line)
    assert.deepEqual([field(fresh, 'etag'), bodyOf(fresh)], ['"x"', ''])
    const none = await passed('HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n', line)
    assert.deepEqual(
      [field(none, 'content-length'), field(none, 'transfer-encoding'), bodyOf(none)],
      [undefined, undefined, ''],
    )
  }
})

test('RFC 9110 15.3.5: any 204, on any connection, is just that', async () => {
  for (const fields of ['', 'Content-Length: 0\r\n', 'Content-Length: 3\r\n', 'Connection: close\r\n']) {
    for (const [line, body] of [
      ['GET /', ''],
      ['POST /', 'hi'],
      ['HEAD /', ''],
    ] as const) {
      backend.script = `HTTP/1.1 204 No Content\r\n${fields}\r\n`
      for (let i = 0; i < 3; i++) {
        const answer = await ask(request(line, body && 'Content-Length: 2\r\n', body))
        assert.match(answer, /^HTTP\/1\.1 204 /)
      }
    }
  }
  await gateway.settled()
  assert.equal(gateway.backend().leases.failed, 0)
})

test('RFC 9110 8.6: informational answers speak of no content', async () => {
  const answer = await passed(`HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\nLink: </a>\r\n\r\n${OK}`)
  assert.equal(field(answer, 'content-length'), undefined)
  assert.match(answer, /103 Early Hints\r\nlink: <\/a>\r\n/)
})

test('RFC 9110 15.5.22: 426 says what to upgrade to', async () => {
  const answer = await passed(
    'HTTP/1.1 426 No\r\nUpgrade: foo\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n',
  )
  assert.deepEqual([field(answer, 'upgrade'), field(answer, 'connection')], ['foo', 'close, upgrade'])
})

test('RFC 9110 5.1: a field may have any name', async () => {
  const strange = 'constructor: a\r\n__proto__: b\r\ntoString: c\r\n'
  for (const [line, body] of [
    ['GET /', ''],
    ['POST /', 'hi'],
  ] as const) {
    backend.script = `HTTP/1.1 200 OK\r\n${strange}Content-Length: 2\r\n\r\nok`
    const answer = await ask(request(line, strange + (body && 'Content-Length: 2\r\n'), body))
    for (const text of [backend.last, answer]) {
      assert.deepEqual([field(text, 'constructor'), field(text, 'tostring')], ['a', 'c'], line)
    }
  }
})

test('RFC 9112 5: a great many fields are passed on, with the body that they tell of', async () => {
  const fields = Array.from({ length: 1500 }, (_, i) => `a${i}:\r\n`).join('')
  const most = fields.slice(0, fields.indexOf('a509:'))
  const heard = await forwarded('POST /', `${most}Content-Length: 2\r\n`, 'hi')
  assert.deepEqual([field(heard, 'a508'), bodyOf(heard)], ['', 'hi'])
  const refused = await ask(request('POST /', `${fields}Content-Length: 2\r\n`, 'hi'))
  assert.match(refused, /^HTTP\/1\.1 431 [\s\S]*LEASTWISE_TOO_MANY_FIELDS/)
  for (const line of ['GET /', 'PUT /']) {
    const answer = await passed(`HTTP/1.1 200 OK\r\n${fields}Content-Length: 2\r\n\r\nok`, line)
    assert.deepEqual([field(answer, 'a1499'), bodyOf(answer)], ['', 'ok'])
  }
})

test('RFC 9112 8: an answer that breaks is no clean end for HTTP/1.0 either', async () => {
  for (const bytes of [
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
    'HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 9\r\n\r\nhalf',
  ]) {
    let end = () => {}
    backend.script = (socket) => {
      socket.write(bytes)
      end = () => socket.end()
    }
    const client = new RawClient(gateway.url).send('GET / HTTP/1.0\r\n\r\n')
    await client.until('half')
    const reset = once(client.socket, 'error')
    end()
    assert.equal((await reset)[0].code, 'ECONNRESET')
  }
})

test('RFC 9112 9.3.2: what is refused is refused in its turn, and what was asked before is answered', async () => {
  const get = `GET /1 HTTP/1.1\r\n${HOST}\r\n`
  const post = `POST /2 HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nhi`
  for (const [bad, status] of [
    [`POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
    ['nonsense\r\n\r\n', 400],
    [chunks('zz\r\n'), 400],
    [`CONNECT a:80 HTTP/1.1\r\n${HOST}\r\n`, 405],
    [`GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`, 400],
  ] as const) {
    const answer = await ask(get + post + get + bad)
    assert.deepEqual(
      answer.match(/HTTP\/1\.1 \d+/g),
      [200, 200, 200, status].map((one) => `HTTP/1.1 ${one}`),
      bad,
    )
  }
  assert.equal(backend.requests.length, 15)
})

test('RFC 9110 9.3.6: CONNECT behind an answer that takes its time waits for it', async () => {
  const size = 20_000_000
  backend.script = (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
    socket.write(Buffer.alloc(size, 'x'))
  }
  const answer = await ask(`GET / HTTP/1.1\r\n${HOST}\r\nCONNECT a:80 HTTP/1.1\r\n${HOST}\r\nnoise`)
  assert.ok(answer.length > size)
  assert.match(answer.slice(size), /HTTP\/1\.1 405 [\s\S]*}$/)
})

test('RFC 9110 10.1.1: an expectation that nobody can meet is 417', async () => {
  const answer = await ask(request('POST /', 'Expect: miracles\r\nContent-Length: 0\r\n'))
  assert.match(answer, /^HTTP\/1\.1 417 [\s\S]*LEASTWISE_EXPECTATION_FAILED/)
  assert.equal(backend.requests.length, 0)
})

test('RFC 9110 5.3: repeated fields keep their order, each Set-Cookie its line', async () => {
  const answer = await passed(
    'HTTP/1.1 200 Fine by me\r\nSet-Cookie: a=1, b\r\nX: 1\r\nSet-Cookie: c=2\r\nX: 2\r\nContent-Length: 0\r\n\r\n',
  )
  assert.equal(field(answer, 'set-cookie'), 'a=1, b | c=2')
  assert.equal(field(answer, 'x')?.replace(' | ', ', '), '1, 2')
  assert.match(answer, /^HTTP\/1\.1 200 Fine by me\r\n/)
  assert.equal(
    field(await forwarded('GET /', 'X: 1\r\nX: 2\r\nX: 3\r\n'), 'x')?.replaceAll(' | ', ', '),
    '1, 2, 3',
  )
})

test('RFC 9110 5.5: values pass byte for byte, also those that are no ASCII', async () => {
  const heard = await forwarded(
    'POST /',
    'X: caf\xe9 \xc3\xa9\t"\\\r\nX-Empty:\r\nContent-Length: 1\r\n',
    'x',
  )
  assert.deepEqual([field(heard, 'x'), field(heard, 'x-empty')], ['caf\xe9 \xc3\xa9\t"\\', ''])
  assert.equal(field(await forwarded('GET /', 'X: caf\xe9\r\n'), 'x'), 'caf\xe9')
  assert.equal(
    field(await passed('HTTP/1.1 200 OK\r\nX: caf\xe9 \xc3\xa9\r\nContent-Length: 0\r\n\r\n'), 'x'),
    'caf\xe9 \xc3\xa9',
  )
})

test('RFC 3986: path and query pass byte for byte', async () => {
  for (const target of [
    '/%2F//..%2f./../a/%7Ea~?x=%zz&&;=?/#'.slice(0, -1),
    '/?',
    '//host/path',
    '/%ff%fe',
    '/a;b=c|{}"<>^`[]\\',
    '/?\\|"<>',
    '/%00',
    `/${'x'.repeat(10_000)}`,
  ]) {
    for (const method of ['GET', 'PUT']) {
      const heard = await forwarded(`${method} ${target}`)
      assert.equal(heard.split(' ')[1], target)
    }
  }
})

test('RFC 9112 3.2.2: the absolute form is understood, and its host goes before the Host field', async () => {
  for (const [target, path, host] of [
    ['http://other.example:81/a%2Fb?c', '/a%2Fb?c', 'other.example:81'],
    ['HTTP://other.example', '/', 'other.example'],
    ['https://other.example?x=http://y/', '/?x=http://y/', 'other.example'],
    ['http://[::1]:80/%ff', '/%ff', '[::1]:80'],
  ]) {
    const heard = await forwarded(`GET ${target}`)
    assert.deepEqual([heard.split(' ')[1], field(heard, 'host')], [path, host])
    assert.equal(field(heard, 'x-forwarded-host'), host)
  }
  for (const target of [
    'ftp://a/',
    'http://',
    'http:///a',
    'http://u@a/',
    'http://a b/',
    'http://a:x/',
    '*',
    '/a#b',
  ]) {
    assert.match(await ask(request(`GET ${target}`)), /^HTTP\/1\.1 400 /, target)
  }
  assert.equal(backend.requests.length, 4)
})

test('RFC 9112 3.2.4: OPTIONS * asks the backend itself', async () => {
  for (const target of ['*', 'http://shop.example']) {
    assert.match(await forwarded(`OPTIONS ${target}`), /^OPTIONS \* HTTP\/1\.1\r\nhost: shop\.example\r\n/)
  }
})

test('RFC 9110 9.1: every method passes, with and without a body, but TRACE and CONNECT', async () => {
  for (const method of METHODS.filter((name) => name !== 'TRACE' && name !== 'CONNECT')) {
    assert.ok((await forwarded(`${method} /`)).startsWith(`${method} / HTTP/1.1\r\n`), method)
    const heard = await forwarded(`${method} /`, 'Content-Length: 2\r\n', 'hi')
    assert.deepEqual([field(heard, 'content-length'), bodyOf(heard)], ['2', 'hi'], method)
    const chunked = await forwarded(`${method} /`, 'Transfer-Encoding: chunked\r\n', '2\r\nhi\r\n0\r\n\r\n')
    assert.deepEqual(
      [field(chunked, 'transfer-encoding'), bodyOf(chunked)],
      ['chunked', '2\r\nhi\r\n0\r\n\r\n'],
      method,
    )
  }
  backend.requests.length = 0
  for (const line of ['TRACE /', 'CONNECT a:80']) {
    const answer = await ask(request(line))
    assert.match(answer, /^HTTP\/1\.1 405 [\s\S]*LEASTWISE_METHOD_NOT_ALLOWED/)
    assert.match(field(answer, 'allow') as string, /\bGET, HEAD\b/)
  }
  assert.equal(backend.requests.length, 0)
})

test('RFC 9110 7.6.2: Max-Forwards is counted down with OPTIONS, and ends it at 0', async () => {
  assert.equal(field(await forwarded('OPTIONS /', 'Max-Forwards: 3\r\n'), 'max-forwards'), '2')
  assert.equal(field(await forwarded('GET /', 'Max-Forwards: 0\r\n'), 'max-forwards'), '0')
  backend.requests.length = 0
  const answer = await ask(request('OPTIONS /', 'Max-Forwards: 0\r\n'))
  assert.match(answer, /^HTTP\/1\.1 204 /)
  assert.match(field(answer, 'allow') as string, /\bOPTIONS\b/)
  assert.equal(backend.requests.length, 0)
})

const HOST = 'Host: a\r\n'
const chunks = (body: string) => `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${body}`
const refused: [section: string, name: string, text: string, status?: number][] = [
  [
    '9112 6.1',
    'length and coding',
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  [
    '9112 6.1',
    'coding and length',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
  ],
  ['9112 6.3', 'two lengths', `POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`],
  [
    '9112 6.3',
    'one length twice',
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`,
  ],
  ['9112 6.3', 'a list of lengths', `POST / HTTP/1.1\r\n${HOST}Content-Length: 1, 1\r\n\r\na`],
  ['9112 6.3', 'a signed length', `POST / HTTP/1.1\r\n${HOST}Content-Length: +1\r\n\r\na`],
  [
    '9112 6.3',
    'a length too large',
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 99999999999999999999\r\n\r\na`,
  ],
  [
    '9112 6.1',
    'a coding of HTTP/1.0',
    `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  [
    '9112 6.1',
    'another coding',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    501,
  ],
  [
    '9112 6.1',
    'chunked not last',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
  ],
  [
    '9112 6.1',
    'chunked twice',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
  ],
  ['9112 6.1', 'an empty coding', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding:\r\n\r\n0\r\n\r\n`],
  ['9112 6.1', 'identity', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: identity\r\n\r\n`, 501],
  [
    '9112 6.1',
    'a coding that looks like one',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
    501,
  ],
  ['9112 5.2', 'a folded line', `GET / HTTP/1.1\r\n${HOST}X: a\r\n b: c\r\n\r\n`],
  [
    '9112 5.2',
    'a folded coding',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`,
  ],
  ['9112 2.2', 'a bare LF after a line', `GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n`],
  ['9112 2.2', 'nothing but bare LFs', `GET / HTTP/1.1\nHost: a\n\n`],
  ['9112 2.2', 'a bare CR', `GET / HTTP/1.1\r\n${HOST}X: a\rY: b\r\n\r\n`],
  ['9110 5.5', 'a NUL', `GET / HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`],
  ['9112 5.1', 'a blank before the colon', `GET / HTTP/1.1\r\n${HOST}X : a\r\n\r\n`],
  ['9112 5.1', 'a blank before the first field', `GET / HTTP/1.1\r\n ${HOST}\r\n`],
  ['9112 7.1', 'a chunk size that is none', chunks('zz\r\nab\r\n0\r\n\r\n')],
  ['9112 7.1', 'a chunk size with 0x', chunks('0x2\r\nab\r\n0\r\n\r\n')],
  ['9112 7.1', 'a negative chunk size', chunks('-2\r\nab\r\n0\r\n\r\n')],
  ['9112 7.1', 'a chunk size too large', chunks('fffffffffffffffff\r\nab\r\n0\r\n\r\n')],
  ['9112 7.1', 'no chunk size', chunks('\r\nab\r\n0\r\n\r\n')],
  ['9112 7.1', 'a chunk longer than it says', chunks('1\r\nab\r\n0\r\n\r\n')],
  ['9112 7.1', 'a bare LF after a chunk size', chunks('2\nab\r\n0\r\n\r\n')],
  ['9112 7.1.1', 'a bare LF in a chunk extension', chunks('2;a\nb\r\nab\r\n0\r\n\r\n')],
  ['9112 7.1.2', 'a folded trailer', chunks('0\r\nX: 1\r\n y\r\n\r\n')],
  ['9112 3.2', 'no Host', 'GET / HTTP/1.1\r\n\r\n'],
  ['9112 3.2', 'two Hosts', `GET / HTTP/1.1\r\n${HOST}Host: b\r\n\r\n`],
  ['9112 3.2', 'one Host twice', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`],
  ['9112 3.2', 'an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n'],
  ['9110 7.2', 'a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'],
  ['9110 4.2.4', 'a Host with a user', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n'],
  ['9110 7.2', 'a Host with a blank', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'],
  ['9110 7.2', 'a Host with a port that is too large', 'GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n'],
  ['9110 7.2', 'a Host that is no address', 'GET / HTTP/1.1\r\nHost: [1:2]\r\n\r\n'],
  ['9112 3.2', 'two Hosts far apart', `GET / HTTP/1.1\r\n${HOST}${'a:\r\n'.repeat(500)}Host: b\r\n\r\n`],
  [
    '9112 6.1',
    'another coding far down',
    `POST / HTTP/1.1\r\n${HOST}${'a:\r\n'.repeat(500)}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    501,
  ],
  ['3986 2.1', 'an escape that is none', `GET /%zz HTTP/1.1\r\n${HOST}\r\n`],
  ['9110 7.2', 'a Host with a port that is none', 'GET / HTTP/1.1\r\nHost: a:x\r\n\r\n'],
  ['9112 3', 'no version', 'GET /\r\n\r\n', 505],
  ['9110 2.5', 'a version of another protocol', `GET / HTTP/2.0\r\n${HOST}\r\n`, 505],
  ['9112 2.3', 'a version that is none', `GET / HTTP/1.2\r\n${HOST}\r\n`],
  ['9112 3.2', 'a fragment', `GET /a#b HTTP/1.1\r\n${HOST}\r\n`],
  ['9112 3', 'a blank in the target', `GET /a b HTTP/1.1\r\n${HOST}\r\n`],
  ['9110 9.1', 'a method in lower case', `get / HTTP/1.1\r\n${HOST}\r\n`],
]

for (const [section, name, text, status = 400] of refused) {
  test(`RFC ${section}: ${name} is ${status}, the end of the connection, and nothing for a backend`, async () => {
    const total = gateway.backend().leases.total
    const client = new RawClient(gateway.url).send(`${text}GET /smuggled HTTP/1.1\r\n${HOST}\r\n`)
    const answer = await client.untilClosed()
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `))
    assert.equal(field(answer, 'connection')?.toLowerCase(), 'close')
    assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1, answer)
    assert.match(bodyOf(answer), /^\{"statusCode":\d+,"code":"LEASTWISE_/)
    assert.deepEqual([backend.requests.length, gateway.backend().leases.total], [0, total])
  })
}

test('RFC 9112 7.1: a chunk that turns out bad later is no clean end for the backend', async () => {
  const client = new RawClient(gateway.url).send(chunks('2\r\nab\r\n'))
  await backend.until(({ unfinished }) => unfinished.includes('ab'))
  const used = backend.heardOn
  client.send('zz\r\n')
  assert.match(await client.untilClosed(), /^HTTP\/1\.1 400 /)
  await backend.until(({ sockets }) => !sockets.has(used as Socket))
  assert.equal(backend.requests.length, 0)
})

const broken: [section: string, name: string, answer: string][] = [
  ['9112 6.3', 'two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc'],
  [
    '9112 6.3',
    'length and coding',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n',
  ],
  ['9112 6.3', 'a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nab'],
  [
    '9112 6.1',
    'another coding',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n',
  ],
  ['9112 2.2', 'a bare CR', 'HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nab'],
  ['9112 2.2', 'bare LFs', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nab'],
  ['9112 5.2', 'a folded line', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nab'],
  ['9112 5.1', 'a blank before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nab'],
  ['9110 5.5', 'a NUL', 'HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nab'],
  ['9112 2.3', 'a version of another protocol', 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nab'],
  ['9110 15', 'status 99', 'HTTP/1.1 099 No\r\nContent-Length: 2\r\n\r\nab'],
  ['9110 15', 'status 600', 'HTTP/1.1 600 No\r\nContent-Length: 2\r\n\r\nab'],
  ['9110 15', 'status 1000', 'HTTP/1.1 1000 No\r\nContent-Length: 2\r\n\r\nab'],
  [
    '9110 7.8',
    '101 that nobody asked for',
    'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabc',
  ],
  ['9110 7.8', '101 to nothing', `HTTP/1.1 101 Switching\r\n\r\n${OK}`],
  ['9112 2.1', 'something else altogether', '220 mail.example ESMTP\r\n'],
  ['9112 4', 'half a head', 'HTTP/1.1 200 OK\r\nContent-Le'],
]
const bodies: [name: string, request: string][] = [
  ['GET', request('GET /')],
  ['POST', request('POST /', 'Content-Length: 2\r\n', 'hi')],
]

for (const [section, name, bytes] of broken) {
  test(`RFC ${section}: an answer with ${name} is 502, and its connection is not used again`, async () => {
    for (const [method, text] of bodies) {
      // undici does not tell the version of an answer.
      if (section === '9112 2.3' && method === 'GET') continue
      let used: unknown
      backend.script = (socket) => {
        used = socket
        socket.write(bytes, 'latin1')
        if (name === 'half a head') socket.end()
      }
      const answer = await ask(text)
      assert.match(answer, /^HTTP\/1\.1 502 [\s\S]*LEASTWISE_BAD_GATEWAY/, method)
      await backend.until(({ sockets }) => !sockets.has(used as never))
    }
  })
}

const cutShort: [section: string, name: string, answer: string, end: boolean][] = [
  ['9112 8', 'less than its length', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf', true],
  ['9112 8', 'half a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf', true],
  ['9112 8', 'no last chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', true],
  [
    '9112 7.1',
    'a bad chunk',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n',
    false,
  ],
  [
    '9112 7.1',
    'a chunk longer than it says',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalfmore\r\n0\r\n\r\n',
    false,
  ],
]
for (const [section, name, bytes, end] of cutShort) {
  test(`RFC ${section}: an answer with ${name} never looks whole`, async () => {
    for (const [method, text] of bodies) {
      backend.script = (socket) => {
        socket.write(bytes, 'latin1')
        if (end) socket.end()
      }
      const answer = await ask(text)
      if (answer.startsWith('HTTP/1.1 502')) continue
      assert.match(answer, /^HTTP\/1\.1 200 /, method)
      const whole = field(answer, 'content-length')
        ? bodyOf(answer).length === 9
        : answer.endsWith('0\r\n\r\n')
      assert.ok(!whole, answer)
    }
  })
}

test('RFC 9112 9.2: what a backend says beyond its answer, or unasked, is nobody’s answer', async () => {
  for (const method of ['GET', 'POST']) {
    const text =
      method === 'GET'
        ? 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
        : 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi'
    const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'
    for (const late of [false, true]) {
      backend.script = (socket) => {
        socket.write(late ? OK : OK + poison)
        if (late) setImmediate(() => socket.write(poison))
      }
      const client = new RawClient(gateway.url).send(text)
      await client.until('ok')
      // The connection that was poisoned is gone before another request comes.
      const used = backend.heardOn
      if (late) await backend.until(({ sockets }) => !sockets.has(used as Socket))
      backend.script = OK
      client.text = ''
      client.send(text)
      assert.ok((await client.until(/\r\n\r\n(ok|poison)/)).endsWith('ok'))
      client.close()
    }
  }
})

test('RFC 9112 9.3.2: what is sent ahead is answered in order, and nothing unsafe runs beside another', async () => {
  let running = 0
  let most = 0
  backend.script = (socket, heard) => {
    running++
    const unsafe = heard.startsWith('POST')
    if (unsafe) assert.equal(running, 1)
    most = Math.max(most, running)
    const path = heard.split(' ')[1] as string
    setTimeout(
      () => {
        running--
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`)
      },
      (path.charCodeAt(1) * 7) % 20,
    )
  }
  const lines = [...'abcdefghijklmnop'].map((name, i) => `${i % 5 === 4 ? 'POST' : 'GET'} /${name}`)
  const text = lines.map((line) => `${line} HTTP/1.1\r\nHost: a\r\n\r\n`).join('')
  const client = new RawClient(gateway.url).send(text)
  await client.until('/p')
  const paths = client.text.split(/HTTP\/1\.1 200 OK/).map((answer) => bodyOf(answer))
  assert.deepEqual(
    paths.slice(1),
    lines.map((line) => line.split(' ')[1]),
  )
  assert.ok(most > 1, 'safe ones do')
  client.close()
})

test('RFC 9112 9.3.2: only so many run side by side, and a client that sends thousands ahead is cut', async () => {
  const get = `GET / HTTP/1.1\r\n${HOST}\r\n`
  const waiting: Socket[] = []
  backend.script = (socket) => waiting.push(socket)
  const client = new RawClient(gateway.url).send(get.repeat(150))
  while (gateway.balancer.registry.inFlight < 100) await new Promise(setImmediate)
  await backend.until(() => waiting.length === 100)
  assert.equal(gateway.balancer.registry.inFlight, 100)
  backend.script = OK
  for (const socket of waiting) socket.write(OK)
  while (client.text.split('\r\n\r\nok').length <= 150) await new Promise(setImmediate)
  client.close()
  // None is answered while the others arrive, however slowly they do.
  backend.script = () => {}
  const greedy = new RawClient(gateway.url).send(get.repeat(1500))
  await greedy.untilClosed()
  assert.ok((greedy.text.match(/HTTP\/1\.1 200/g)?.length ?? 0) < 1500)
})

test('RFC 9112 9.6: an answer that comes before the end of an upload is not lost to a reset', async () => {
  backend.script = () => {}
  let used: Socket | undefined
  for (let i = 0; i < 5; i++) {
    const client = new RawClient(gateway.url)
    client.socket.once('error', (error) => assert.fail(error))
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n')
    client.socket.write(Buffer.alloc(100_000))
    await backend.until(({ unfinished, heardOn }) => heardOn !== used && unfinished.includes('\r\n\r\n'))
    used = backend.heardOn
    used?.end('HTTP/1.1 413 Too much\r\nContent-Length: 6\r\nConnection: close\r\n\r\nenough')
    client.socket.write(Buffer.alloc(3_000_000))
    assert.match(await client.until('enough'), /^HTTP\/1\.1 413 Too much\r\n/)
    await client.untilClosed()
  }
})

test('RFC 9110 10.1.1: a body that was refused is not sent, however long the refusal takes', async () => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n'
  const client = new RawClient(gateway.url).send(head)
  await backend.until(({ unfinished }) => unfinished.includes('\r\n\r\n'))
  const used = backend.heardOn as Socket
  used.write('HTTP/1.1 403 No\r\nContent-Length: 6\r\n\r\nnot')
  await client.until('not')
  client.send('body')
  await new Promise((resolve) => setTimeout(resolve, 1200))
  used.write('yet')
  await client.until('notyet')
  assert.doesNotMatch(backend.unfinished, /body/)
  client.close()
  backend.unfinished = ''
})

test('RFC 8297: hints that Node would not send are left out, and nothing else is', async () => {
  backend.script = (socket, heard) => {
    const hint = 'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload; as=style, </b>; rel="x y"\r\n\r\n'
    setTimeout(
      () => socket.write(heard.startsWith('HEAD') ? hint + OK.slice(0, -2) : OK),
      heard.startsWith('HEAD') ? 0 : 50,
    )
  }
  const client = new RawClient(gateway.url)
  client.send(`GET /slow HTTP/1.1\r\n${HOST}\r\nHEAD /x HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
  assert.deepEqual((await client.untilClosed()).match(/HTTP\/1\.1 [2-5]\d\d/g), [
    'HTTP/1.1 200',
    'HTTP/1.1 200',
  ])
})

test('RFC 8297: a hint to an answer that has to wait for another does not get into it', async () => {
  const hint = 'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n'
  const answer = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n'
  let slow: Socket | undefined
  backend.script = (socket, heard) => {
    if (heard.startsWith('GET /slow')) slow = socket
    else socket.write(`${hint}${answer}fast`)
  }
  const client = new RawClient(gateway.url)
  client.send(`GET /slow HTTP/1.1\r\n${HOST}\r\nGET /fast HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
  await backend.until(({ requests }) => requests.length === 2)
  // The fast one is there, and waits.
  while (gateway.balancer.registry.inFlight > 1) await new Promise(setImmediate)
  slow?.write(`${answer}slow`)
  const bodies = (await client.untilClosed()).split(/HTTP\/1\.1 200 OK\r\n/).slice(1)
  assert.deepEqual(
    bodies.map((answer) => answer.split('\r\n\r\n').at(-1)),
    ['slow', 'fast'],
  )
})

test('RFC 9112 9.6: after "Connection: close" nothing more is heard, and the client is not reset', async () => {
  const close = `GET /1 HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`
  const answer = await ask(`${close}GET /2 HTTP/1.1\r\n${HOST}\r\n`)
  assert.equal(backend.requests.length, 1)
  assert.ok(answer.endsWith('\r\n\r\nok'))
})

test('RFC 9112 9.3: HTTP/1.0 is answered and closed, or kept where it asks for that', async () => {
  assert.match(await ask('GET / HTTP/1.0\r\n\r\n'), /\r\n\r\nok$/)
  assert.equal(field(backend.last, 'host'), new URL(backend.url).host)
  const client = new RawClient(gateway.url)
  client.send('GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  await client.until('\r\n\r\nok')
  client.text = ''
  await client.send('GET /2 HTTP/1.0\r\n\r\n').untilClosed()
  assert.match(backend.last, /^GET \/2 HTTP\/1\.1/)
})

test('an answer without a content-type comes without one, in one piece or in several', async (t) => {
  const answers: Record<string, string> = {
    '/whole': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    '/empty': 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    '/chunked': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  }
  const backend = await new RawBackend((socket, request) => {
    socket.write(answers[request.split(' ')[1] as string] as string)
  }).listen()
  t.after(() => backend.close())
  const gateway = await openGateway([backend])
  t.after(() => gateway.close())
  for (const path of Object.keys(answers)) {
    const { headers, text } = await call(gateway.url + path)
    assert.equal(headers['content-type'], undefined, path)
    assert.equal(text, path === '/empty' ? '' : 'ok')
  }
})
