import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type ListenOptions } from 'node:net'
import { test } from 'node:test'
import { ListenError, probeSharedPort } from '../../src/gateway/listeners.js'
import { runServer, startGateway } from '../support/process.js'
import { noSharedPort } from '../support/shared-port.js'

const free = { PORT: '0', ADMIN_PORT: '0' }

/** What runs in a process before the gateway: listeners then take options as on another system. */
const before = (change: string) => ({
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(`
    import { Server } from 'node:net'
    const { listen } = Server.prototype
    Server.prototype.listen = function (options, ...rest) { ${change}; return listen.call(this, options, ...rest) }
  `)}`,
})

test('several threads are refused where Node is too old: exit code 1 and one line', {
  skip: noSharedPort === false && `Node ${process.versions.node} is new enough`,
}, async () => {
  const { code, stdout, stderr } = await runServer({ ...free, WORKERS: '2' })
  assert.deepEqual([code, stdout], [1, ''])
  assert.equal(
    stderr,
    `leastwise: WORKERS does not accept 2: more than 1 needs Node 22.12 or newer, and this is Node ${process.versions.node}\n`,
  )
})

test('one thread needs nothing', async (t) => {
  const unused = before("if (options.reusePort) throw Error('it is not asked for')")
  const gateway = await startGateway({ ...free, ...unused, WORKERS: '1' })
  t.after(() => gateway.stop('SIGKILL'))
  assert.equal((await fetch(gateway.url)).status, 503)
})

test('several threads are refused on a system where they cannot share a port', {
  skip: noSharedPort,
}, async () => {
  const refuses =
    "if (options.reusePort) { process.nextTick(() => this.emit('error', Object.assign(Error('listen'), { code: 'ENOTSUP' }))); return this }"
  const ignores = 'options = { ...options, reusePort: false }'
  for (const change of [refuses, ignores]) {
    const { code, stdout, stderr } = await runServer({ ...free, ...before(change), WORKERS: '2' })
    assert.deepEqual([code, stdout], [1, ''], stderr)
    assert.match(
      stderr,
      /^leastwise: WORKERS does not accept 2: threads cannot share a port on this system \(\w+\)[^\n]+\n$/,
    )
  }
})

test('a port that somebody shares is taken', { skip: noSharedPort }, async (t) => {
  const server = createServer()
  t.after(() => server.close())
  await once(server.listen({ host: '127.0.0.1', port: 0, reusePort: true } as ListenOptions), 'listening')
  const { port } = server.address() as AddressInfo
  await assert.rejects(
    probeSharedPort({ file: undefined, listen: [{ host: '127.0.0.1', port }], workers: 2 }),
    ListenError,
  )
  const { code, stderr } = await runServer({ ...free, PORT: String(port), WORKERS: '2' })
  assert.equal(code, 1)
  assert.equal(stderr, `leastwise: PORT cannot listen on 127.0.0.1:${port}: the address is in use\n`)
})
