import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Stream, connect, constants, type IncomingHttpHeaders } from 'node:http2'
import { type TestContext, test } from 'node:test'
import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import { leastwise } from '../../src/index.js'
import { RawBackend, type Script } from '../support/raw.js'

async function http2App(t: TestContext, script: Script) {
  const backend = await new RawBackend(script).listen()
  const app = Fastify({ http2: true })
  await app.register(leastwise, { prefix: '/', backends: [backend.url] })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const session = connect(app.listeningOrigin)
  t.after(async () => {
    session.destroy()
    await app.close()
    await backend.close()
  })
  return { app: app as unknown as FastifyInstance, backend, session }
}

/** Resolves once a stream is over: its reset code, and what came on it. */
async function over(stream: ClientHttp2Stream) {
  let text = ''
  let trailers: IncomingHttpHeaders | undefined
  stream.on('data', (chunk) => {
    text += chunk
  })
  stream.on('trailers', (fields) => {
    trailers = fields
  })
  stream.on('error', () => {})
  await once(stream, 'close').catch(() => {})
  return { text, trailers, code: stream.rstCode }
}

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n'

test('an answer that breaks off in the middle is reset with an error, as without one a client may take it for whole', async (t) => {
  const framings: Record<string, string> = {
    '/length': `${HEAD}Content-Length: 4\r\n\r\nok`,
    '/chunked': `${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n`,
  }
  const { app, backend, session } = await http2App(t, (socket, request) => {
    socket.write(framings[request.split(' ')[1] as string] as string)
  })
  for (const path of Object.keys(framings)) {
    const stream = session.request({ ':path': path })
    const ended = over(stream)
    await once(stream, 'data')
    backend.heardOn?.destroy()
    const { text, code } = await ended
    assert.equal(text, 'ok')
    assert.equal(code, constants.NGHTTP2_INTERNAL_ERROR, path)
    assert.equal(app.balancer.registry.inFlight, 0)
  }
})

test('trailers come also after a body without a byte', async (t) => {
  const { session } = await http2App(
    t,
    `${HEAD}Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 0\r\n\r\n`,
  )
  const { text, trailers, code } = await over(session.request({ ':path': '/' }))
  assert.equal(text, '')
  assert.equal(trailers?.['x-sum'], '0')
  assert.equal(code, constants.NGHTTP2_NO_ERROR)
})
