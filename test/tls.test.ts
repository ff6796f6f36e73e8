import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { call, load } from './support/client.js'
import { root, startGateway } from './support/process.js'

const cert = join(root, 'test/fixtures/localhost.cert.pem')
const tls = { cert: readFileSync(cert), key: readFileSync(join(root, 'test/fixtures/localhost.key.pem')) }

async function secureBackend() {
  const names = new Set<unknown>()
  let connections = 0
  const server = createServer(tls, (request, response) => {
    names.add((request.socket as TLSSocket & { servername?: unknown }).servername)
    response.end(request.headers.host)
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
    assert.deepEqual([...backend.names], [sni])
    assert.equal(backend.connections() - before, 1)
    assert.deepEqual([...(await load(gateway.url, { total: 100, concurrency: 5 }))], [[200, 100]])
    await gateway.stop()
  }
})

test('a certificate that is not trusted is refused: 502', async (t) => {
  const backend = await secureBackend()
  t.after(backend.close)
  const gateway = await startGateway({ BACKENDS: `https://localhost:${backend.port}` })
  t.after(() => gateway.stop())
  const { status, text } = await call(gateway.url)
  assert.deepEqual([status, JSON.parse(text).code], [502, 'LEASTWISE_BAD_GATEWAY'])
  assert.match(JSON.parse(text).message, /certificate/)
})
