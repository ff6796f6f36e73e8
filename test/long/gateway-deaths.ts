import { type TestContext, test } from 'node:test'
import { holding } from '../support/backend.js'
import { type GatewayProcess, startGateway } from '../support/process.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'
import { until } from '../support/until.js'

/** Gateways that share a store and a backend that keeps its requests. */
async function start(t: TestContext, ids: string[]) {
  const store = await RedisServer.start(t)
  const backend = await holding()
  t.after(() => backend.close())
  const open = (id: string) =>
    startGateway({ STORE: store.url, GATEWAY_ID: id, BACKENDS: backend.url, SHUTDOWN_TIMEOUT: '100' })
  const gateways = await Promise.all(ids.map(open))
  t.after(() => Promise.all(gateways.map((gateway) => gateway.stop('SIGKILL'))))
  return {
    gateways,
    open: async (id: string) => {
      const gateway = await open(id)
      gateways.push(gateway)
      return gateway
    },
    /** Sends requests that are not answered. */
    request(gateway: GatewayProcess, count: number) {
      for (let i = 0; i < count; i++) fetch(gateway.url).catch(() => {})
    },
    /** Looks until these gateways are announced, by id. */
    announced: (wanted: RegExp) =>
      until(
        async () => {
          const reply = await store.command('HKEYS', '{leastwise}:gateways')
          return reply
            .split('\r\n')
            .filter((line) => /^[a-z]/.test(line))
            .sort()
            .join()
        },
        (seen) => wanted.test(seen),
      ),
    /** Looks until so many requests of others are on the backend. */
    seesElsewhere: (gateway: GatewayProcess, wanted: number) =>
      until(
        async () => {
          const answer = await fetch(`${gateway.admin}/backends`)
          const { backends } = (await answer.json()) as { backends: { inFlightElsewhere: number }[] }
          return backends[0]?.inFlightElsewhere
        },
        (seen) => seen === wanted,
      ),
  }
}

test('a gateway that is killed is gone for the others with its counts, and has its name when it is started again', {
  skip: withoutRedis,
}, async (t) => {
  const fleet = await start(t, ['a', 'b', 'c'])
  const [a, b, c] = fleet.gateways as [GatewayProcess, GatewayProcess, GatewayProcess]
  await fleet.announced(/^a,b,c$/)
  fleet.request(b, 5)
  fleet.request(c, 2)
  await fleet.seesElsewhere(a, 7)
  await b.stop('SIGKILL')
  const again = await fleet.open('b')
  await fleet.announced(/^a,b,b~[0-9a-f]{4},c$/)
  await fleet.seesElsewhere(a, 2)
  await fleet.seesElsewhere(again, 2)
  await fleet.announced(/^a,b,c$/)
  // Who is told to stop is gone at once.
  await c.stop()
  await fleet.announced(/^a,b$/)
  await fleet.seesElsewhere(a, 0)
})

test('a gateway that was stopped for longer than its lease comes back, also where its name is taken', {
  skip: withoutRedis,
}, async (t) => {
  const fleet = await start(t, ['a', 'b'])
  const [a, b] = fleet.gateways as [GatewayProcess, GatewayProcess]
  await fleet.announced(/^a,b$/)
  fleet.request(b, 5)
  await fleet.seesElsewhere(a, 5)
  b.child.kill('SIGSTOP')
  await fleet.announced(/^a$/)
  await fleet.seesElsewhere(a, 0)
  await fleet.open('b')
  await fleet.announced(/^a,b$/)
  b.child.kill('SIGCONT')
  await fleet.seesElsewhere(a, 5)
  await fleet.announced(/^a,b,b~[0-9a-f]{4}$/)
})
