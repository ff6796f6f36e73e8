import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { get, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { brotliDecompressSync, createGunzip, gunzipSync, gzipSync } from 'node:zlib'
import { type Handler, TestBackend } from '../support/backend.js'
import { exchange, RawBackend, RawClient } from '../support/raw.js'
import { openRoute } from '../support/route-app.js'
import { until } from '../support/until.js'

const TEXT = 'a line of a table, which is like the other lines\n'.repeat(200)

async function open(t: TestContext, handler: Handler) {
  const backend = await new TestBackend(handler).listen()
  t.after(() => backend.close())
  const route = await openRoute(t, {
    backends: [backend.url],
    route: { compress: true },
  })
  return { ...route, backend }
}

async function ask(
  url: string,
  headers: IncomingHttpHeaders = { 'accept-encoding': 'gzip' },
  method = 'GET',
) {
  const [response] = (await once(get(url, { headers, method, agent: false }), 'response')) as [
    IncomingMessage,
  ]
  return { headers: response.headers, status: response.statusCode, body: await buffer(response) }
}

const sends =
  (body: string | Buffer, fields: Record<string, string> = {}, status = 200): Handler =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'text/plain', ...fields }).end(body)
  }

test('a client gets what it takes, and caches are told', async (t) => {
  const { url } = await open(
    t,
    sends(TEXT, {
      etag: '"tag"',
      'accept-ranges': 'bytes',
      'content-length': String(TEXT.length),
      vary: 'Cookie',
    }),
  )
  for (const [accepted, decode] of [
    ['gzip', gunzipSync],
    ['gzip, deflate, br', brotliDecompressSync],
  ] as const) {
    const { headers, body } = await ask(url, { 'accept-encoding': accepted })
    assert.equal(headers['content-encoding'], accepted === 'gzip' ? 'gzip' : 'br')
    assert.equal(headers['content-length'], String(body.length))
    assert.equal(headers['accept-ranges'], undefined)
    assert.equal(headers.etag, 'W/"tag"')
    assert.equal(headers.vary, 'Cookie, Accept-Encoding')
    assert.equal(decode(body).toString(), TEXT)
    assert.ok(body.length < TEXT.length / 10)
  }
  const plain = await ask(url, {})
  assert.equal(plain.body.toString(), TEXT)
  assert.deepEqual(
    [
      plain.headers['content-encoding'],
      plain.headers.etag,
      plain.headers.vary,
      plain.headers['content-length'],
    ],
    [undefined, '"tag"', 'Cookie, Accept-Encoding', String(TEXT.length)],
  )
})

test('a text whose first bytes could be those of a compressed body is compressed like any other', async (t) => {
  for (const start of ['80,1\n', 'x ', 'hb', '(r', '\x1f\x8b\x08']) {
    const { url } = await open(t, sends(Buffer.from(start + TEXT, 'latin1')))
    const { headers, body } = await ask(url)
    assert.equal(headers['content-encoding'], 'gzip')
    assert.equal(gunzipSync(body).toString('latin1'), start + TEXT)
  }
})

test('what must not, or need not, be compressed stays as it is', async (t) => {
  const zipped = gzipSync(TEXT)
  const cases: Record<string, [Handler, (IncomingHttpHeaders | undefined)?, string?]> = {
    'compressed by the backend': [sends(zipped, { 'content-encoding': 'gzip' })],
    'a stream of events': [sends(TEXT, { 'content-type': 'text/event-stream' })],
    'lines of JSON': [sends(TEXT, { 'content-type': 'application/x-ndjson' })],
    gRPC: [sends(TEXT, { 'content-type': 'application/grpc+json' })],
    'a picture': [sends(TEXT, { 'content-type': 'image/png' })],
    'a part': [sends(TEXT, { 'content-range': 'bytes 0-9/10' }, 206)],
    'a part that could not be had': [sends(TEXT, { 'content-range': 'bytes */10' }, 416)],
    'no-transform of the backend': [sends(TEXT, { 'cache-control': 'public, no-transform' })],
    'no-transform of the client': [
      sends(TEXT),
      { 'accept-encoding': 'gzip', 'cache-control': 'no-transform' },
    ],
    'a small body': [sends('small', { 'content-length': '5' })],
    'a digest': [sends(TEXT, { 'repr-digest': 'sha-256=:x:' })],
    'a client that does not take it': [sends(TEXT), { 'accept-encoding': 'gzip;q=0' }],
    'an answer to HEAD': [sends('', { 'content-length': String(TEXT.length) }), undefined, 'HEAD'],
    'a 304': [sends('', { etag: '"tag"' }, 304)],
    'a 204': [(_request, response) => void response.writeHead(204).end()],
  }
  for (const [what, [handler, headers, method]] of Object.entries(cases)) {
    const { url, backend } = await open(t, handler)
    const direct = await ask(backend.url, headers, method)
    const reply = await ask(url, headers, method)
    assert.equal(reply.status, direct.status, what)
    for (const name of ['content-encoding', 'content-type', 'etag', 'content-range', 'repr-digest'])
      assert.equal(reply.headers[name], direct.headers[name], `${what}: ${name}`)
    assert.deepEqual(reply.body, direct.body, what)
  }
  const { url } = await open(t, sends(TEXT))
  const old = await exchange(url, 'GET / HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n')
  assert.ok(old.endsWith(TEXT))
})

test('a 304 says of a compressed body what its 200 has said', async (t) => {
  const { url } = await open(t, (request, response) => {
    const has = request.headers['if-none-match']?.includes('"tag"')
    response.writeHead(has ? 304 : 200, { etag: '"tag"', 'content-type': 'text/plain', vary: 'Cookie' })
    response.end(has ? '' : TEXT)
  })
  for (const encoding of ['gzip', 'identity']) {
    const accepts = { 'accept-encoding': encoding }
    const full = await ask(url, accepts)
    const again = await ask(url, { ...accepts, 'if-none-match': `"other", ${full.headers.etag}` })
    assert.equal(again.status, 304)
    assert.deepEqual(
      [again.headers.etag, again.headers.vary],
      [full.headers.etag, full.headers.vary],
      encoding,
    )
  }
})

test('what a client sends is passed on as it is', async (t) => {
  const { url } = await open(t, async (request, response) => {
    const body = await buffer(request)
    response.end(
      `${request.headers['content-encoding']} ${request.headers['accept-encoding']} ${body.length}`,
    )
  })
  const zipped = gzipSync(TEXT)
  const reply = await fetch(url, { method: 'POST', body: zipped, headers: { 'content-encoding': 'gzip' } })
  assert.equal(await reply.text(), `gzip gzip, deflate ${zipped.length}`)
})

test('each part of a page arrives when the backend sends it', async (t) => {
  let response: ServerResponse | undefined
  const { url } = await open(t, (_request, its) => {
    response = its.writeHead(200, { 'content-type': 'text/html' })
    its.write('<p>first</p>')
  })
  const [reply] = (await once(get(url, { headers: { 'accept-encoding': 'gzip' } }), 'response')) as [
    IncomingMessage,
  ]
  const unzipped = reply.pipe(createGunzip())
  assert.equal(String((await once(unzipped, 'data'))[0]), '<p>first</p>')
  response?.write('<p>second</p>')
  assert.equal(String((await once(unzipped, 'data'))[0]), '<p>second</p>')
  response?.end()
  unzipped.resume()
  await once(unzipped, 'end')
})

test('a response that its backend breaks off is broken off for the client', async (t) => {
  const backend = await new RawBackend('').listen()
  t.after(() => backend.close())
  const { url, failures } = await openRoute(t, {
    backends: [backend.url],
    route: { compress: true },
  })
  const heads = ['Content-Length: 100000', 'Transfer-Encoding: chunked']
  const bodies = [TEXT, `${TEXT.length.toString(16)}\r\n${TEXT}\r\n`]
  for (const [i, head] of heads.entries()) {
    backend.script = (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n${head}\r\n\r\n${bodies[i]}`, 'latin1')
      // Whatever came before is with the client by then.
      client.until(/\r\n\r\n[0-9a-f]+\r\n/).then(() => socket.destroy())
    }
    const client = new RawClient(url).send('GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n')
    const answer = await client.untilClosed()
    assert.match(answer, /^HTTP\/1.1 200 OK\r\n/)
    assert.match(answer, /content-encoding: gzip/)
    assert.doesNotMatch(answer, /\r\n0\r\n\r\n$/)
  }
  assert.equal(failures(), 2)
})

test('an error that is sent instead of a body says nothing of compression', async (t) => {
  let failures = 0
  const backend = await new TestBackend(sends(TEXT, { etag: '"tag"' })).listen()
  t.after(() => backend.close())
  const { url } = await openRoute(t, {
    backends: [backend.url],
    route: { compress: true },
    async around(scope) {
      scope.addHook('onSend', async (_request, _reply, payload) => {
        if (failures++ === 0) throw new Error('the next hook failed')
        return payload
      })
    },
  })
  const { status, headers, body } = await ask(url)
  assert.deepEqual([status, headers['content-encoding']], [500, undefined])
  assert.equal(JSON.parse(body.toString()).code, 'LEASTWISE_INTERNAL')
})

test('trailers follow a compressed body', async (t) => {
  const size = TEXT.length.toString(16)
  const backend = await new RawBackend(
    `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n${size}\r\n${TEXT}\r\n0\r\nX-Sum: 42\r\n\r\n`,
  ).listen()
  t.after(() => backend.close())
  const { url } = await openRoute(t, {
    backends: [backend.url],
    route: { compress: true },
  })
  const answer = await exchange(
    url,
    'GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n',
  )
  assert.match(answer, /content-encoding: gzip/)
  assert.match(answer, /\r\n0\r\nx-sum: 42\r\n\r\n$/i)
})

test('a client that stands still stops its backend, and one that leaves ends the request there', async (t) => {
  const block = randomBytes(48 * 1024).toString('base64')
  const total = 1000
  let sent = 0
  const { url, backend } = await open(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' })
    const send = () => {
      while (sent < total) {
        sent++
        if (!response.write(block)) return void response.once('drain', send)
      }
      response.end()
    }
    send()
  })
  const client = new RawClient(url).send('GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n')
  await client.until('content-encoding: gzip')
  client.socket.pause()
  let before = -1
  await until(
    async () => {
      const still = sent === before
      before = sent
      await new Promise((resolve) => setTimeout(resolve, 200))
      return still
    },
    (still) => still,
  )
  assert.ok(sent < total, `${sent} of ${total} blocks were read`)
  assert.equal(backend.open, 1)
  client.reset()
  await backend.untilOpen(0)
})
