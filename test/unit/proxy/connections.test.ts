import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as ask, type IncomingMessage } from 'node:http'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Backend } from '../../../src/balancer/backends/backend.js'
import { Balancer, systemClock } from '../../../src/balancer/index.js'
import { NameLookup } from '../../../src/proxy/upstream/dns/name-lookup.js'
import { Connections } from '../../../src/proxy/upstream/transport/connections.js'
import type { UpstreamRequest } from '../../../src/proxy/upstream/transport/transport.js'
import { answering } from '../../support/backend.js'

async function connected(t: TestContext) {
  const backend = await answering()
  t.after(() => backend.close())
  const balancer = new Balancer({ backends: [backend.url] })
  const [known] = balancer.registry.list() as [Backend]
  const connections = new Connections(known, 65_536, new NameLookup(() => {}, systemClock))
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

test('a waiting connection does not keep the request that it has served', async (t) => {
  const { connections } = await connected(t)
  const serve = async () => {
    const connection = connections.take()
    await new Promise<void>((resolve, reject) => {
      const listener = {
        onLookedUp() {},
        onStarted() {},
        onResponseHead() {},
        onResponseData() {},
        onResponseEnd: () => resolve(),
        onFailed: reject,
      }
      served = new WeakRef(listener)
      const request = { path: '/', method: 'GET', fields: ['host', 'a'] } as UpstreamRequest
      connection.send(request, listener as never)
    })
    connection.done()
  }
  let served: WeakRef<object> | undefined
  await serve()
  for (let i = 0; i < 100 && served?.deref(); i++) {
    await setImmediate()
    gc()
  }
  assert.equal(served?.deref(), undefined)
})
