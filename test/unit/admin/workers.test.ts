import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import Fastify from 'fastify'
import { adminRoutes } from '../../../routes/admin.js'
import { sharedPool } from '../../support/pool-members.js'
import { until } from '../../support/until.js'

// Messages between workers alone do not keep a process alive.
const alive = setInterval(() => {}, 60_000)
after(() => clearInterval(alive))

test('the admin API shows what workers decided, and is ready while there is one', async (t) => {
  const { control, members, workers } = sharedPool(t, { members: 2, backends: ['http://a:1', 'http://b:1'] })
  const app = Fastify()
  await app.register(adminRoutes, { pools: new Map([['default', control]]), token: undefined })
  const call = async (method: 'GET' | 'POST', url: string) => {
    const { statusCode, body } = await app.inject({ method, url, headers: { host: 'localhost' } })
    return { status: statusCode, json: JSON.parse(body) }
  }
  await until(() => workers.every(({ takesPart }) => takesPart), Boolean)
  assert.equal((await call('GET', '/readyz')).status, 200)
  for (const member of members) member.acquire()
  const { decisions } = (await call('GET', '/decisions')).json
  assert.equal(decisions.length, 2)
  const { json: explanation } = await call('POST', '/explain')
  assert.deepEqual(explanation.backends, members[0]?.explain().backends)
  assert.equal((await call('GET', '/pool')).json.inFlight, 2)

  for (const [i, member] of members.entries()) {
    assert.equal((await call('GET', '/readyz')).status, 200)
    member.close()
    workers[i]?.close()
  }
  const { status, json } = await call('GET', '/readyz')
  assert.deepEqual([status, json.message], [503, 'no worker carries traffic'])
  assert.equal((await call('GET', '/livez')).status, 200)
})
