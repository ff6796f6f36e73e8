import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, Socket, type TcpNetConnectOpts } from 'node:net'
import { test } from 'node:test'
import { HostLookup } from '../../../../src/proxy/upstream/dns/host-lookup.js'
import { NameLookup } from '../../../../src/proxy/upstream/dns/name-lookup.js'
import { addressOf } from '../../../../src/proxy/upstream/transport/address.js'
import { Connector } from '../../../../src/proxy/upstream/transport/http1/connector.js'
import { TestClock } from '../../../support/clock.js'

const buffer = Buffer.alloc(1024)

test('each address of a name is tried for its share of the time in which to connect', async (t) => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const asked: (number | undefined)[] = []
  const connect = Socket.prototype.connect as (...args: unknown[]) => Socket
  t.mock.method(Socket.prototype, 'connect', function (this: Socket, ...args: unknown[]) {
    const [[options]] = args as [[TcpNetConnectOpts]]
    asked.push(options.autoSelectFamilyAttemptTimeout)
    return connect.apply(this, args)
  })
  for (const [connectTimeout, count, attempt] of [
    [1000, 1, 1000],
    [1000, 2, 500],
    [1000, 3, 333],
    // A distant backend needs some time, however many addresses there are.
    [1000, 20, 250],
    [100, 2, 250],
    [10_000, 2, 1000],
    [0, 2, 1000],
  ] as const) {
    // The first address refuses connections, unless it is the only one.
    const addresses = Array.from({ length: count }, (_, i) => ({
      address: i === 0 && count > 1 ? '127.0.0.2' : '127.0.0.1',
      family: 4,
    }))
    const names = new NameLookup((_name, done) => done(null, addresses), new TestClock())
    names.watch('name.test', () => {})
    const lookup = new HostLookup(names, 'name.test')
    const address = addressOf({ url: `http://name.test:${port}` })
    const connector = new Connector(address, lookup, () => undefined, connectTimeout)
    const socket = connector.open({ buffer, callback: () => true })
    await once(socket, connector.connectEvent)
    assert.equal(socket.remoteAddress, '127.0.0.1')
    socket.destroy()
    assert.equal(asked.at(-1), attempt, `${count} addresses in ${connectTimeout} ms`)
  }
})
