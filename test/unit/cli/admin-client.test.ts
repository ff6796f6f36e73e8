import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { AdminClient } from '../../../src/cli/admin-client.js'
import { Failure } from '../../../src/cli/failure.js'
import { readBackends, readNothing } from '../../../src/cli/responses.js'
import { deadUrl } from '../../support/backend.js'

const open = new Set<Socket>()
let seen = ''
let answer: string | undefined
/** Says what it is told to whoever asks, or nothing. */
const server = createServer((socket) => {
  open.add(socket.on('error', () => undefined))
  socket.once('data', (chunk) => {
    seen = String(chunk)
    if (answer !== undefined) socket.end(answer)
  })
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
after(() => {
  server.close()
  for (const socket of open) socket.destroy()
})

const http = (status: string, body: string, head = '') =>
  `HTTP/1.1 ${status}\r\n${head}Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`

function list(said: string | undefined, timeout = 5000, at = url): Promise<unknown> {
  answer = said
  return new AdminClient({ url: at, token: undefined }, timeout).call('GET', '/backends', {
    read: readBackends,
  })
}

const backend = {
  id: 'a',
  url: 'http://a',
  weight: 1,
  maxConnections: null,
  state: 'active',
  health: 'unknown',
  inFlight: 0,
  total: 0,
  failed: 0,
  latency: { p50: 0, p99: 0 },
  later: 'fields are kept',
}
const backends = (...list: unknown[]) => http('200 OK', JSON.stringify({ backends: list }))

const garbage: [name: string, answer: string | undefined, message: RegExp][] = [
  ['nothing', '', /broke the connection before its answer was whole$/],
  ['noise', 'SSH-2.0-OpenSSH_9\r\n', /does not answer in HTTP$/],
  ['half an answer', http('200 OK', '{"backends":[]}').slice(0, -3), /broke the connection before/],
  ['half a head', 'HTTP/1.1 200 OK\r\nContent-', /broke the connection before|in HTTP/],
  [
    'no JSON',
    http('200 OK', '<html>'),
    /answered what is not understood: it is not JSON; that is no admin API/,
  ],
  ['an empty answer', http('200 OK', ''), /it is not JSON/],
  ['a 204', 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n', /the answer is no object/],
  ['null', http('200 OK', 'null'), /the answer is no object/],
  ['a list', http('200 OK', '[]'), /backends of the answer is no object/],
  ['something else', http('200 OK', '{"backends":{}}'), /backends is no list/],
  ['an empty backend', backends({}), /id of the backend is no string/],
  ['a weight of null', backends({ ...backend, weight: null }), /weight of the backend is no number/],
  [
    'a limit of text',
    backends({ ...backend, maxConnections: '5' }),
    /maxConnections of the backend is no number/,
  ],
  ['no latency', backends({ ...backend, latency: null }), /latency of the backend is no object/],
  ['an error page', http('502 Bad Gateway', '<html>'), /answered 502 Bad Gateway; that is no admin API/],
  [
    'a 404 of an app',
    http('404 Not Found', '{"statusCode":404,"error":"Not Found"}'),
    /answered 404 Not Found; .*prefix/,
  ],
  [
    'a redirect',
    http('301 Moved', '', 'Location: http://b/\r\n'),
    /answered 301, a redirect to http:\/\/b\//,
  ],
]

for (const [name, said, message] of garbage) {
  test(`${name} is no answer of a gateway`, async () => {
    await assert.rejects(list(said), (error: unknown) => {
      assert.ok(error instanceof Failure, String(error))
      assert.match(error.message, message)
      assert.deepEqual([error.exitCode, error.code], [3, 'LEASTWISE_UNREACHABLE'])
      assert.ok(error.message.startsWith(`${url} `))
      return true
    })
  })
}

test('one that does not answer in time, not even in the middle of it, is not waited for', async () => {
  for (const said of [undefined, 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{']) {
    const silent = createServer((socket) => {
      open.add(socket)
      if (said) socket.write(said)
    }).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const at = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    await assert.rejects(list('', 100, at), { message: `${at} did not answer within 100 ms`, exitCode: 3 })
    silent.close()
  }
})

test('nobody there', async () => {
  const at = await deadUrl()
  await assert.rejects(list('', 5000, at), { message: `${at} refused the connection`, exitCode: 3 })
  await assert.rejects(list('', 5000, 'http://name.invalid'), {
    message: 'http://name.invalid has no address',
  })
})

test('an error of a gateway is passed on', async () => {
  const error = {
    statusCode: 409,
    code: 'LEASTWISE_BACKEND_EXISTS',
    error: 'Conflict',
    message: 'it is there',
  }
  await assert.rejects(list(http('409 Conflict', JSON.stringify(error))), {
    exitCode: 1,
    statusCode: 409,
    code: 'LEASTWISE_BACKEND_EXISTS',
    message: 'it is there',
  })
  const unauthorized = { ...error, statusCode: 401, code: 'LEASTWISE_UNAUTHORIZED' }
  await assert.rejects(list(http('401 Unauthorized', JSON.stringify(unauthorized))), {
    message: 'it is there; ADMIN_TOKEN is not set',
  })
})

test('what is asked, and what becomes of the answer', async () => {
  assert.deepEqual(await list(backends(backend)), [backend])
  answer = 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'
  const client = new AdminClient({ url: `${url}/admin`, token: 'secret' }, 5000)
  const body = { weight: 2 }
  assert.equal(await client.call('PATCH', '/backends/a?b=c', { read: readNothing, body }), undefined)
  assert.match(seen, /^PATCH \/admin\/backends\/a\?b=c HTTP\/1\.1\r\n/)
  assert.match(seen, /\r\nauthorization: Bearer secret\r\n/)
  assert.match(seen, /\r\ncontent-type: application\/json\r\n.*\r\n\r\n\{"weight":2\}$/s)
  answer = http('200 OK', '{}')
  await assert.rejects(client.call('DELETE', '/backends/a', { read: readNothing }), /nothing was expected/)
})
