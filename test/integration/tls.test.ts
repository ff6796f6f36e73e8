import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { call, load } from '../support/client.js'
import { root, startGateway } from '../support/process.js'
import { exchange, RawClient } from '../support/raw.js'

const cert = join(root, 'test/fixtures/localhost.cert.pem')
const tls = { cert: readFileSync(cert), key: readFileSync(join(root, 'test/fixtures/localhost.key.pem')) }

async function secureBackend() {
  const names = new Set<unknown>()
  let connections = 0
  const server = createServer(tls, (request, response) => {
    names.add((request.socket as TLSSocket & { servername?: unknown }).servername)
    request.resume().on('end', () => response.end(request.headers.host))
  })
  server.on('upgrade', (request, socket) => {
    names.add((socket as TLSSocket & { servername?: unknown }).servername)
    socket.on('error', () => {})
    socket.write('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n')
    if (request.url === '/stay') socket.write('here')
    else socket.end(`hello ${request.headers.host}`)
  })
  server.on('secureConnection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    names,
    connections: () => connections,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

test('a TLS backend is asked by its own name, whatever Host the client names, on one connection', async (t) => {
  const backend = await secureBackend()
  t.after(backend.close)
  for (const [host, sni] of [
    ['localhost', 'localhost'],
    ['127.0.0.1', false],
  ] as const) {
    const gateway = await startGateway({
      BACKENDS: `https://${host}:${backend.port}`,
      NODE_EXTRA_CA_CERTS: cert,
    })
    backend.names.clear()
    const before = backend.connections()
    for (const client of ['a.example', 'b.example', 'a.example']) {
      const { status, text } = await call(gateway.url, { headers: { host: client } })
      assert.deepEqual([status, text], [200, client])
    }
    assert.equal(backend.connections() - before, 1)
    for (const client of ['a.example', 'b.example', 'a.example']) {
      const { status, text } = await call(gateway.url, {
        method: 'POST',
        body: 'x',
        headers: { host: client },
      })
      assert.deepEqual([status, text], [200, client])
    }
    assert.equal(backend.connections() - before, 1)
    const upgrade = 'GET / HTTP/1.1\r\nHost: c.example\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n'
    assert.match(await exchange(gateway.url, upgrade), /^HTTP\/1\.1 101 [\s\S]*hello c\.example$/)
    // A connection with TLS cannot be reset, which is no reason to fall over.
    const client = new RawClient(gateway.url).send(upgrade.replace('/', '/stay'))
    await client.until('here')
    client.reset()
    assert.deepEqual([...backend.names], [sni])
    assert.deepEqual([...(await load(gateway.url, { total: 100, concurrency: 5 }))], [[200, 100]])
    await gateway.stop()
  }
})

test('a certificate that is not trusted is refused: 502', async (t) => {
  const backend = await secureBackend()
  t.after(backend.close)
  const gateway = await startGateway({ BACKENDS: `https://localhost:${backend.port}` })
  t.after(() => gateway.stop())
  for (const method of ['GET', 'POST'] as const) {
    const { status, text } = await call(gateway.url, { method })
    assert.deepEqual([status, JSON.parse(text).code], [502, 'LEASTWISE_BAD_GATEWAY'])
    assert.match(JSON.parse(text).message, /certificate/)
  }
})
