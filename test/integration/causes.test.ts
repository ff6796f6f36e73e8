import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { TlsOptions } from 'node:tls'
import { diagnose } from '../../src/proxy/upstream/failures/diagnosis.js'
import { answering, deadUrl } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { type GatewayProcess, root, startGateway } from '../support/process.js'
import { exchange, RawBackend, type Script } from '../support/raw.js'

const fixture = (name: string) => readFileSync(join(root, 'test/fixtures', name))
const localhost = { cert: fixture('localhost.cert.pem'), key: fixture('localhost.key.pem') }

let gateway: GatewayProcess

before(async () => {
  gateway = await startGateway({
    NODE_EXTRA_CA_CERTS: join(root, 'test/fixtures/localhost.cert.pem'),
    RETRIES: '0',
    RESPONSE_TIMEOUT: '200',
    BODY_TIMEOUT: '200',
    CONNECT_TIMEOUT: '5000',
    EJECT_MAX_PERCENT: '0',
  })
})
after(() => gateway.stop())

interface Place {
  url: string
  close(): unknown
}

/** A server on loopback; what is still connected when it closes is cut. */
async function listening(server: Server, scheme = 'http'): Promise<Place> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('error', () => {}))
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `${scheme}://localhost:${(server.address() as AddressInfo).port}`,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

const says = (script: Script) => () => new RawBackend(script).listen()
const greets = (text: string) => () => listening(createServer((socket) => void socket.write(text)))
/** A backend with TLS. */
const secure = (options: TlsOptions, scheme = 'https') => {
  return () =>
    listening(
      createTlsServer({ ...localhost, ...options }, (_request, response) => response.end()),
      scheme,
    )
}
const certified = (name: string) =>
  secure({ cert: fixture(`${name}.cert.pem`), key: fixture('leaf.key.pem') })
/** A backend that is to be asked with TLS, and has none. */
const bare = (open: () => Promise<Place>) => async () => {
  const place = await open()
  return { url: place.url.replace('http:', 'https:'), close: () => place.close() }
}

const cases: [string, () => Promise<Place>, message: RegExp, code: RegExp, text?: RegExp][] = [
  [
    'nobody listens',
    async () => ({ url: deadUrl(), close() {} }),
    /refused the connection/,
    /^ECONNREFUSED$/,
    /127\.0\.0\.1:1?\d/,
  ],
  [
    'a name without an address',
    async () => ({ url: 'http://nobody.invalid:80', close() {} }),
    /has no address|cannot be looked up/,
    /^(ENOTFOUND|EAI_AGAIN)$/,
    /nobody\.invalid/,
  ],
  [
    'reset',
    says((socket) => socket.resetAndDestroy()),
    /reset the connection before it had answered/,
    /^ECONNRESET$/,
    /read|write/,
  ],
  ['closed', says((socket) => void socket.end()), /closed the connection before it had answered/, /^CLOSED$/],
  [
    'closed within the head',
    says((socket) => void socket.end('HTTP/1.1 200 OK\r\nX-Half: ')),
    /closed the connection before it had answered/,
    /^CLOSED$/,
  ],
  ['silent', says(() => {}), /did not answer in time/, /^RESPONSE_TIMEOUT$/],
  [
    'the length said twice',
    says('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok'),
    /malformed: its length is said twice/,
    /^HPE_UNEXPECTED_CONTENT_LENGTH$/,
  ],
  [
    'lines that end with LF alone',
    says('HTTP/1.1 200 OK\nContent-Length: 2\n\nok'),
    /malformed: a line does not end with CR and LF/,
    /^HPE_(CR|LF)_EXPECTED$/,
  ],
  [
    'fields that end with LF alone',
    says('HTTP/1.1 200 OK\r\nContent-Length: 2\nX-A: b\r\n\r\nok'),
    /malformed: a line does not end with CR and LF/,
    /^HPE_(CR|LF)_EXPECTED$/,
  ],
  [
    'a field that is none',
    says('HTTP/1.1 200 OK\r\nno field\r\n\r\n'),
    /malformed: a header field/,
    /^HPE_INVALID_HEADER_TOKEN$/,
  ],
  ['a status that is none', says('HTTP/1.1 99 Low\r\n\r\n'), /not HTTP: status 99|its status/, /./],
  [
    'a transfer coding that is unknown',
    says('HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'),
    /transfer coding "gzip, chunked"/,
    /^BAD_ANSWER$/,
  ],
  [
    'SSH, which speaks first',
    greets('SSH-2.0-OpenSSH_9.6\r\n'),
    /is not HTTP$/,
    /^HPE_INVALID_CONSTANT$/,
    /and not "SSH-2\.0-OpenSSH_9\.6/,
  ],
  [
    'something else that speaks when it is asked',
    says('-ERR unknown command\r\n'),
    /is not HTTP$/,
    /^HPE_INVALID_CONSTANT$/,
    /and not "-ERR unknown command/,
  ],
  [
    'a head that is too large',
    says(`HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(70_000)}\r\nContent-Length: 0\r\n\r\n`),
    /head of the backend's answer is larger than MAX_RESPONSE_HEADERS/,
    /^HEAD_TOO_LARGE$/,
  ],
  [
    'HTTP to a port with TLS',
    secure({}, 'http'),
    /closed the connection before it had answered, as a port does that expects TLS$/,
    /^CLOSED$/,
  ],
  [
    'an alert of TLS',
    says('\x15\x03\x01\x00\x02\x02\x46'),
    /speaks TLS, and its URL says http$/,
    /^HPE_INVALID_CONSTANT$/,
    /\\x15\\x03/,
  ],
  [
    'HTTP/2',
    async () => await listening(createHttp2Server() as unknown as Server),
    /speaks HTTP\/2/,
    /^HPE_INVALID_CONSTANT$/,
  ],
  ['settings of HTTP/2', says('\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0d'), /speaks HTTP\/2/, /^HPE_/],
  [
    'TLS to a port without',
    bare(() => answering()),
    /does not speak TLS, and its URL says https/,
    /^ERR_SSL_/,
  ],
  ['TLS to SSH', bare(greets('SSH-2.0-x\r\n')), /does not speak TLS, and its URL says https/, /^ERR_SSL_/],
  [
    'TLS to who hangs up',
    bare(() => listening(createServer((socket) => void socket.end()))),
    /in the TLS handshake/,
    /^CLOSED$/,
  ],
  [
    'a certificate that signed itself',
    certified('self-signed'),
    /certificate is signed by itself/,
    /^DEPTH_ZERO_SELF_SIGNED_CERT$/,
  ],
  [
    'a certificate from somebody unknown',
    certified('unknown-authority'),
    /certificate is from an authority that is not trusted/,
    /^UNABLE_TO_/,
  ],
  ['a certificate that has expired', certified('expired'), /certificate has expired/, /^CERT_HAS_EXPIRED$/],
  [
    'a certificate of the future',
    certified('not-yet-valid'),
    /certificate is not valid yet/,
    /^CERT_NOT_YET_VALID$/,
  ],
  [
    'a certificate for another name',
    certified('other-name'),
    /certificate is for another name/,
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    /shop\.example/,
  ],
  [
    'a certificate is wanted',
    secure({ requestCert: true, rejectUnauthorized: true }),
    /wants a certificate of the gateway/,
    /^ERR_SSL_.*CERTIFICATE_REQUIRED$/,
  ],
  [
    'a certificate is wanted, TLS 1.2',
    secure({ requestCert: true, rejectUnauthorized: true, maxVersion: 'TLSv1.2' }),
    /refused the TLS handshake: it may want a certificate of the gateway/,
    /^ERR_SSL_.*ALERT_HANDSHAKE_FAILURE$/,
  ],
  [
    'a version of TLS that is too old',
    secure({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    /TLS/,
    /^ERR_SSL_/,
  ],
]

for (const [name, open, message, code, text] of cases) {
  test(name, async (t) => {
    const place = await open()
    const id = name.replaceAll(/[^a-z0-9]+/gi, '-')
    assert.equal((await callJson('POST', `${gateway.admin}/backends`, { url: place.url, id })).status, 201)
    t.after(async () => {
      await callJson('DELETE', `${gateway.admin}/backends/${id}?force=true`)
      await place.close()
    })
    for (const method of ['GET', 'POST'] as const) {
      const request = `${id}.${method}`
      const { status, text: body } = await call(gateway.url, {
        method,
        headers: { 'x-request-id': request },
        ...(method === 'POST' && { body: 'body' }),
      })
      const answer = JSON.parse(body)
      const late = answer.code === 'LEASTWISE_GATEWAY_TIMEOUT'
      assert.deepEqual([status, answer.code], late ? [504, answer.code] : [502, 'LEASTWISE_BAD_GATEWAY'])
      assert.match(answer.message, message, method)
      const line = await gateway.line(({ reqId, msg }) => reqId === request && msg === 'request')
      const cause = line.cause as { code: string; text: string }
      assert.match(cause.code, code, method)
      assert.match(cause.text, text ?? /./, method)
      assert.doesNotMatch(cause.text, /\n|openssl/)
      const { json } = await callJson('GET', `${gateway.admin}/decisions?request=${request}`)
      assert.deepEqual(json.decisions[0].cause, cause)
    }
  })
}

test('a response that breaks off: the client is cut, and the line has the cause', async (t) => {
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'
  const parts: [path: string, script: (socket: Socket) => void, code: RegExp, error: string][] = [
    ['/chunk', (socket) => void socket.write(`${chunked}zz\r\n`), /^HPE_INVALID_CHUNK_SIZE$/, 'BAD_GATEWAY'],
    ['/end', (socket) => void socket.end(chunked), /^CLOSED$/, 'BAD_GATEWAY'],
    [
      '/short',
      (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf'),
      /^CLOSED$/,
      'BAD_GATEWAY',
    ],
    [
      '/reset',
      (socket) => socket.write(chunked, () => setTimeout(() => socket.resetAndDestroy(), 50)),
      /^ECONNRESET$/,
      'BAD_GATEWAY',
    ],
    ['/silent', (socket) => void socket.write(chunked), /^BODY_TIMEOUT$/, 'GATEWAY_TIMEOUT'],
    [
      '/trailers',
      (socket) => void socket.write(`${chunked}0\r\nX-A: ${'a'.repeat(70_000)}\r\n\r\n`),
      /^HEAD_TOO_LARGE$/,
      'BAD_GATEWAY',
    ],
  ]
  const backend = await new RawBackend((socket, request) => {
    const path = request.split(' ')[1]
    parts.find(([one]) => one === path)?.[1](socket)
  }).listen()
  await callJson('POST', `${gateway.admin}/backends`, { url: backend.url, id: 'breaks' })
  t.after(async () => {
    await callJson('DELETE', `${gateway.admin}/backends/breaks?force=true`)
    await backend.close()
  })
  for (const [path, , code, error] of parts) {
    for (const head of [`GET ${path} HTTP/1.1\r\n`, `POST ${path} HTTP/1.1\r\nContent-Length: 0\r\n`]) {
      const request = `${head.split(' ')[0]}.${path.slice(1)}`
      const answer = await exchange(gateway.url, `${head}Host: a\r\nX-Request-Id: ${request}\r\n\r\n`)
      assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*half/, request)
      assert.doesNotMatch(answer, /0\r\n\r\n$/, request)
      const line = await gateway.line(({ reqId, msg }) => reqId === request && msg === 'request')
      assert.deepEqual([line.statusCode, line.error], [200, `LEASTWISE_${error}`], request)
      assert.match((line.cause as { code: string }).code, code, request)
    }
  }
})

test('a try that failed is told of, though another backend answered then', async (t) => {
  const good = await answering()
  const own = await startGateway({
    BACKENDS: `http://127.0.0.1:1;id=bad;weight=1000,${good.url};id=good`,
  })
  t.after(async () => {
    await own.stop()
    await good.close()
  })
  assert.equal((await call(own.url, { headers: { 'x-request-id': 'twice' } })).status, 200)
  const line = await own.line(({ msg }) => msg === 'request')
  assert.deepEqual([line.outcome, line.attempts, line.backend], ['ok', 2, 'good'])
  assert.equal((line.cause as { code: string }).code, 'ECONNREFUSED')
  const { json } = await callJson('GET', `${own.admin}/decisions?request=twice`)
  const causes = json.decisions.map((one: { cause: { code: string } | null }) => one.cause?.code ?? null)
  assert.deepEqual(causes, [null, 'ECONNREFUSED'])
  assert.equal((await call(own.url, { method: 'DELETE', headers: { 'x-request-id': 'once' } })).status, 200)
})

test('what a machine on loopback cannot make happen has its words, too', () => {
  const of = (code: string, more: object = {}) =>
    diagnose(Object.assign(new Error(`connect ${code} 10.0.0.1:80`), { code, syscall: 'connect', ...more }))
  for (const code of ['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ETIMEDOUT']) {
    assert.deepEqual(of(code), {
      code,
      text: `connect ${code} 10.0.0.1:80`,
      message: 'the backend cannot be reached',
    })
  }
  assert.equal(of('ENOTFOUND').message, 'the name of the backend has no address')
  assert.equal(of('EAI_AGAIN').message, 'the name of the backend cannot be looked up')
  assert.match(of('EE_KEY_TOO_SMALL').message, /certificate is not trusted/)
  const socket = { address: '/run/app.sock' }
  assert.equal(of('EACCES', socket).message, 'the gateway may not use the socket of the backend')
  assert.equal(of('EPERM', socket).message, 'the gateway may not use the socket of the backend')
  assert.equal(of('EPROTOTYPE', socket).message, 'the socket of the backend is not one for streams')
  assert.equal(of('EPIPE', socket).message, 'the backend closed the connection before it had answered')
  const abstract = Object.assign(new Error('connect ECONNREFUSED \0app'), { code: 'ECONNREFUSED' })
  assert.equal(diagnose(abstract).text, 'connect ECONNREFUSED @app')
  // A name with several addresses: Node tells of all of them in one error without words.
  const errors = ['::1', '127.0.0.1'].map((host) => new Error(`connect ECONNREFUSED ${host}:1`))
  const both = diagnose(Object.assign(new AggregateError(errors, ''), { code: 'ECONNREFUSED' }))
  assert.equal(both.text, 'connect ECONNREFUSED ::1:1, connect ECONNREFUSED 127.0.0.1:1')
})
