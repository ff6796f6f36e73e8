import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as ask, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Backend } from '../../../src/balancer/backends/backend.js'
import { Balancer, systemClock } from '../../../src/balancer/index.js'
import { NameLookup } from '../../../src/proxy/upstream/dns/name-lookup.js'
import { Connections } from '../../../src/proxy/upstream/transport/connections.js'
import { NodeRequest } from '../../../src/proxy/upstream/transport/node-request.js'
import type {
  Transport,
  TransportListener,
  UpstreamRequest,
} from '../../../src/proxy/upstream/transport/transport.js'
import { answering } from '../../support/backend.js'

async function connected(t: TestContext) {
  const backend = await answering()
  t.after(() => backend.close())
  const balancer = new Balancer({ backends: [backend.url] })
  const [known] = balancer.registry.list() as [Backend]
  const connections = new Connections(known, 65_536, 60_000, new NameLookup(() => {}, systemClock))
  t.after(() => connections.destroy())
  return { backend, connections }
}

test('a waiting connection that is destroyed, and has yet to say so, is not given out', async (t) => {
  const { backend, connections } = await connected(t)
  const send = async () => {
    const { secure: _secure, ...address } = connections.address
    const asked = ask({ ...address, agent: connections.agent, path: '/' }).end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    await once(response.resume(), 'end')
  }
  await Promise.all([send(), send()])
  const waiting = () => Object.values(connections.agent.freeSockets).flat()
  while (waiting().length < 2) await setImmediate()
  waiting().at(-1)?.destroy()
  await send()
  assert.equal(backend.total, 3)
})

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

/** Sends a request and waits for its response. Nothing of it is left on the stack afterwards. */
async function serve(transport: Transport, request: Partial<UpstreamRequest>): Promise<WeakRef<object>> {
  const { promise, listener } = listening()
  transport.send({ path: '/', fields: ['host', 'a'], ...request } as UpstreamRequest, listener)
  await promise
  transport.done()
  return new WeakRef(listener)
}

function listening() {
  let listener: TransportListener | undefined
  const promise = new Promise<void>((resolve, reject) => {
    listener = {
      onLookedUp() {},
      onStarted() {},
      onBodyStarted() {},
      onBodySent() {},
      onBodyEnd() {},
      onBodyStopped() {},
      onResponseHead() {},
      onResponseData() {},
      onResponseEnd: () => resolve(),
      onSwitched() {},
      onFailed: reject,
    }
  })
  return { promise, listener: listener as unknown as TransportListener }
}

for (const client of ['undici', 'Node']) {
  test(`a waiting connection does not keep the request that it has served: ${client}`, async (t) => {
    const { connections } = await connected(t)
    const served =
      client === 'undici'
        ? await serve(connections.take(), { method: 'GET' })
        : await serve(new NodeRequest(connections, 0, false), {
            method: 'POST',
            fields: ['host', 'a', 'content-length', '4'],
            body: Readable.from([Buffer.from('body')]),
          })
    for (let i = 0; i < 100 && served.deref(); i++) {
      await setImmediate()
      gc()
    }
    assert.equal(served.deref(), undefined)
    if (client === 'Node') assert.equal(Object.values(connections.agent.freeSockets).flat().length, 1)
  })
}
