import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Connections } from '../../src/adapters/connections.js'
import { NameLookup } from '../../src/adapters/name-lookup.js'
import type { Backend } from '../../src/balancer/backend.js'
import { Balancer, systemClock } from '../../src/balancer/index.js'
import { answering } from '../support/backend.js'

test('a waiting connection that is destroyed, and has yet to say so, is not given out', async (t) => {
  const backend = await answering()
  t.after(() => backend.close())
  const balancer = new Balancer({ backends: [backend.url] })
  const [known] = balancer.registry.list() as [Backend]
  const connections = new Connections(known, 65_536, new NameLookup(() => {}, systemClock))
  t.after(() => connections.destroy())
  const ask = async () => {
    const { secure: _secure, ...address } = connections.address
    const asked = request({ ...address, agent: connections.agent, path: '/' }).end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    await once(response.resume(), 'end')
  }
  await Promise.all([ask(), ask()])
  const waiting = () => Object.values(connections.agent.freeSockets).flat()
  while (waiting().length < 2) await setImmediate()
  waiting().at(-1)?.destroy()
  await ask()
  assert.equal(backend.total, 3)
})
