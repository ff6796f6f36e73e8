import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { type TestContext, test } from 'node:test'
import Fastify from 'fastify'
import leastwise from '../../src/index.js'
import { openGateway } from '../support/gateway.js'
import { RawBackend, RawClient } from '../support/raw.js'

const cookies = (count: number) => `Set-Cookie: c=${'x'.repeat(1024)}\r\n`.repeat(count)
const fields = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: y\r\n`).join('')

/** What a backend answers, by the path that it is asked for. */
const answers: Record<string, string> = {
  '/cookies': `HTTP/1.1 200 OK\r\n${cookies(24)}Content-Length: 2\r\n\r\nok`,
  '/fields': `HTTP/1.1 200 OK\r\n${fields(3000)}Content-Length: 2\r\n\r\nok`,
  '/hints': `HTTP/1.1 103 Early Hints\r\n${cookies(24)}\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`,
  '/trailers': `HTTP/1.1 200 OK\r\nTrailer: x-end\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-End: ${'x'.repeat(24_000)}\r\n\r\n`,
  '/switch': `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n${cookies(24)}\r\nok`,
  '/too-large': `HTTP/1.1 200 OK\r\n${cookies(70)}Content-Length: 2\r\n\r\nok`,
  '/too-many': `HTTP/1.1 200 OK\r\n${fields(20_000)}Content-Length: 2\r\n\r\nok`,
  '/too-large-hints': `HTTP/1.1 103 Early Hints\r\n${cookies(70)}\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`,
  '/too-large-switch': `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n${cookies(70)}\r\nok`,
}

const request = (method: string, path: string) => {
  const more = path.includes('switch') ? 'Connection: upgrade\r\nUpgrade: echo\r\n' : ''
  return `${method} ${path} HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n${more}Content-Length: 0\r\n\r\n`
}

async function pool(t: TestContext, env: Record<string, string> = {}) {
  const script = (socket: import('node:net').Socket, text: string) =>
    void socket.write(answers[text.split(' ')[1] as string] as string)
  const backends = [await new RawBackend(script).listen(), await new RawBackend(script).listen()]
  const gateway = await openGateway(backends, { EJECT_CONSECUTIVE: '1', ...env })
  t.after(async () => {
    await gateway.close()
    for (const backend of backends) await backend.close()
  })
  return { backends, gateway }
}

/** GETs without a body go by another client than everything else. */
const methods = ['GET', 'PUT']

test('a large head is passed on: cookies, fields, hints, trailers, a switch of protocols', async (t) => {
  const { gateway } = await pool(t)
  for (const path of ['/cookies', '/fields', '/hints', '/trailers', '/switch']) {
    for (const method of path === '/switch' ? ['GET'] : methods) {
      const client = new RawClient(gateway.url).send(request(method, path))
      const text = await client.until(path === '/trailers' ? /\r\n0\r\n[\s\S]*\r\n\r\n$/ : /ok$/)
      const [sent, got] = [answers[path] as string, text].map((one) => one.match(/x{8,}/g)?.join('').length)
      assert.equal(got, sent, `${method} ${path}`)
      if (path === '/fields') assert.equal(text.match(/^x-\d+: y\r$/gim)?.length, 3000)
      client.close()
      await gateway.settled()
    }
  }
})

test('one that is larger than MAX_RESPONSE_HEADERS is 502, asked for once, and nobody’s failure', async (t) => {
  const { backends, gateway } = await pool(t)
  let asked = 0
  for (const path of ['/too-large', '/too-many', '/too-large-hints', '/too-large-switch']) {
    for (const method of path === '/too-large-switch' ? ['GET'] : methods) {
      const client = new RawClient(gateway.url).send(request(method, path))
      const text = await client.until('}')
      assert.match(text, /HTTP\/1\.1 502 [\s\S]*LEASTWISE_BAD_GATEWAY[\s\S]*larger than MAX_RESPONSE_HEADERS/)
      client.close()
      await gateway.settled()
      assert.equal(backends.flatMap(({ requests }) => requests).length, ++asked, `${method} ${path}`)
    }
  }
  for (const { health, failed, share } of gateway.balancer.registry.list().map((one) => one.view())) {
    assert.deepEqual({ health, failed, share }, { health: 'unknown', failed: 0, share: 1 })
  }
})

test('MAX_RESPONSE_HEADERS takes more, and less', async (t) => {
  const more = await pool(t, { MAX_RESPONSE_HEADERS: '1000000' })
  const less = await pool(t, { MAX_RESPONSE_HEADERS: '16384' })
  for (const method of methods) {
    for (const path of ['/too-large', '/too-many']) {
      const client = new RawClient(more.gateway.url).send(request(method, path))
      assert.match(await client.until(/ok$/), /^HTTP\/1\.1 200 /)
      client.close()
    }
    for (const path of ['/cookies', '/fields']) {
      const client = new RawClient(less.gateway.url).send(request(method, path))
      assert.match(await client.until('}'), /^HTTP\/1\.1 502 /)
      client.close()
    }
  }
})

test('over HTTP/2, too', async (t) => {
  const { backends } = await pool(t)
  const app = Fastify({ http2: true, forceCloseConnections: true } as object)
  t.after(() => app.close())
  await app.register(leastwise, { backends: backends.map(({ url }) => url), maxResponseHeaders: 1_000_000 })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const session = http2.connect(url, { settings: { maxHeaderListSize: 1_000_000 } })
  t.after(() => session.destroy())
  const stream = session.request({ ':path': '/cookies' })
  const [headers] = await once(stream, 'response')
  assert.deepEqual([headers[':status'], headers['set-cookie'].length], [200, 24])
  stream.resume()
  await once(stream, 'end')
})
