import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { after, before, test } from 'node:test'
import type { ConnectionError } from 'fastify'
import { rejectMalformed } from '../../src/proxy/downstream/connection/early-rejection.js'
import { bodyOf, exchange, RawClient } from '../support/raw.js'

let server: Server
let url: string
/** The server's end of the last connection. */
let socket: Socket
/** Paths of the requests that the server took. */
const taken: (string | undefined)[] = []

before(async () => {
  server = createServer((request: IncomingMessage, response: ServerResponse) => {
    taken.push(request.url)
    request.resume()
    response.end('ok')
  })
  server.on('connection', (one: Socket) => {
    socket = one
  })
  server.on('clientError', (error, one) => rejectMalformed(error as ConnectionError, one as Socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
after(() => {
  server.close()
  server.closeAllConnections()
})

const KB = 1024
const long = 'x'.repeat(100 * KB)
const head = 'Host: a\r\nConnection: close\r\n'
const TOO_LONG = [414, 'LEASTWISE_URI_TOO_LONG']
const TOO_LARGE = [431, 'LEASTWISE_HEAD_TOO_LARGE']

/** Status and code of a response that refuses a request, after which nothing may come. */
function refusal(answer: string): unknown[] {
  const { statusCode, code } = JSON.parse(bodyOf(answer))
  assert.ok(answer.startsWith(`HTTP/1.1 ${statusCode} `), answer)
  assert.match(answer, /\r\nconnection: close\r\n/)
  return [statusCode, code]
}

/** Says pieces of text, each once the server has read those before it. */
async function say(client: RawClient, pieces: readonly string[]): Promise<void> {
  let sent = socket?.destroyed === false ? socket.bytesRead : 0
  for (const piece of pieces) {
    client.send(piece)
    sent += piece.length
    while (!socket.destroyed && socket.bytesRead < sent) await new Promise(setImmediate)
  }
}

async function inPieces(pieces: readonly string[]): Promise<string> {
  const connected = once(server, 'connection')
  const client = new RawClient(url)
  client.socket.setNoDelay()
  await connected
  await say(client, pieces)
  return await client.untilClosed()
}

const cut = (text: string, bytes: number) => text.match(new RegExp(`[^]{1,${bytes}}`, 'g')) as string[]

const heads: [what: string, text: string, expected: unknown[]][] = [
  ['a long path and few fields', `GET /${long} HTTP/1.1\r\n${head}\r\n`, TOO_LONG],
  ['a long query', `POST /?${long} HTTP/1.1\r\n${head}\r\n`, TOO_LONG],
  ['a long URL', `GET http://a/${long} HTTP/1.0\r\n\r\n`, TOO_LONG],
  ['a long target of OPTIONS', `OPTIONS /${long} HTTP/1.1\r\n${head}\r\n`, TOO_LONG],
  ['a long method', `${'G'.repeat(20 * KB)} / HTTP/1.1\r\n${head}\r\n`, [400, 'LEASTWISE_MALFORMED_REQUEST']],
  ['an empty line and a long path', `\r\nGET /${long} HTTP/1.1\r\n${head}\r\n`, TOO_LONG],
  ['a long value', `GET / HTTP/1.1\r\n${head}X: ${long}\r\n\r\n`, TOO_LARGE],
  ['a long value of words', `GET / HTTP/1.1\r\n${head}X: ${'GET x '.repeat(10_000)}\r\n\r\n`, TOO_LARGE],
  ['a long name', `GET / HTTP/1.1\r\n${head}${long}: x\r\n\r\n`, TOO_LARGE],
  ['many fields', `GET / HTTP/1.1\r\n${head}${'X: aaaaaaaaaaaaaaaaa\r\n'.repeat(3000)}\r\n`, TOO_LARGE],
]
for (const [what, text, expected] of heads) {
  test(`${what}: in one piece, and in pieces`, async () => {
    taken.length = 0
    assert.deepEqual(refusal(await exchange(url, text)), expected)
    for (const bytes of [1460, 10_000, 16_384]) {
      assert.deepEqual(refusal(await inPieces(cut(text, bytes))), expected, `pieces of ${bytes}`)
    }
    assert.deepEqual(taken, [])
  })
}

for (const [what, text, expected] of heads) {
  test(`${what}: after other requests on the connection`, async () => {
    const get = 'GET /first HTTP/1.1\r\nHost: a\r\n\r\n'
    const post = 'POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi'
    for (const bytes of [1460, 10_000, 1_000_000]) {
      taken.length = 0
      const answer = await inPieces([get, ...cut(text, bytes)])
      const joined = await inPieces(cut(get + post + text, bytes))
      for (const one of [answer, joined])
        assert.deepEqual(refusal(one.slice(one.lastIndexOf('HTTP/1.1 '))), expected)
      assert.deepEqual(taken, ['/first', '/first', '/second'])
    }
  })
}

test('a line is known by its beginning, without its end', async () => {
  const get = 'GET /first HTTP/1.1\r\nHost: a\r\n\r\n'
  for (const [text, expected] of [
    [`GET /${long}`, TOO_LONG],
    [`GET / HTTP/1.1\r\nX: ${long}`, TOO_LARGE],
  ] as const) {
    for (const pieces of [[text], [get, text], [get + text]]) {
      const answer = await inPieces(pieces)
      assert.deepEqual(refusal(answer.slice(answer.lastIndexOf('HTTP/1.1 '))), expected)
    }
  }
})

test('a line is known by its end, wherever that is cut', async () => {
  const end = ' HTTP/1.1\r\n'
  for (let at = 1; at < end.length; at++) {
    const line = cut(`GET /${long}`, 10_000)
    const answer = await inPieces([...line, end.slice(0, at), `${end.slice(at)}${head}\r\n`])
    assert.deepEqual(refusal(answer), TOO_LONG, `after ${at}`)
  }
})

test('a line that does not end is refused as well, once the client has ended its side', async () => {
  for (const text of [`GET /${long}`, `GET / HTTP/1.1\r\nX: ${long}`]) {
    const connected = once(server, 'connection')
    const client = new RawClient(url)
    client.socket.setNoDelay()
    await connected
    await say(client, cut(text, 10_000))
    assert.equal(client.text, '')
    client.socket.end()
    assert.deepEqual(refusal(await client.untilClosed()), TOO_LARGE)
  }
})

test('a client that leaves in the middle of a line that is too long leaves nothing behind', async () => {
  const connected = once(server, 'connection')
  const client = new RawClient(url)
  client.socket.setNoDelay()
  await connected
  await say(client, cut(`GET /${long}`, 10_000))
  client.close()
  await once(socket, 'close')
})
