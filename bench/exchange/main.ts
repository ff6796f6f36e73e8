import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openBalancer } from '../../src/balancer/state/open-balancer.js'
import { redisStore } from '../../src/stores/redis/redis-store.js'
import { fork } from '../../test/support/children.js'
import { RedisServer, withoutRedis } from '../../test/support/redis-server.js'
import { until } from '../../test/support/until.js'
import { run, whole } from '../command.js'
import { table } from '../table.js'

const POOL = 'measured'

const usage = `npm run bench -- exchange [--gateways 10] [--backends 250] [--seconds 10]

CPU time that a gateway without requests spends on hearing what others have in flight, by a Redis or Valkey server that
is started for it. The others are in another process. All of their counts change five times a second.
`

/** Percent of a processor that this process uses. */
async function used(seconds: number): Promise<number> {
  const [cpu, time] = [process.cpuUsage(), performance.now()]
  await sleep(1000 * seconds)
  const { user, system } = process.cpuUsage(cpu)
  return (user + system) / 10 / (performance.now() - time)
}

async function measure(
  url: string,
  gateways: number,
  backends: number,
  seconds: number,
): Promise<string[][]> {
  const store = redisStore(url, { id: 'receiver' })
  const specs = Array.from({ length: backends }, (_, i) => ({ url: `http://backend-${i}.example:8080` }))
  const balancer = await openBalancer({ backends: specs }, store.forPool(POOL))
  await sleep(1000)
  const alone = await used(seconds)
  const path = fileURLToPath(new URL('./gateways.js', import.meta.url))
  const others = fork(path, [url, POOL, String(gateways - 1), String(backends)])
  await until(
    () => store.gateways.list().length,
    (seen) => seen === gateways,
  )
  // What runs 50 times a second takes a while to be compiled.
  await sleep(15_000)
  let [messages, bytes] = [0, 0]
  const count = store.connection.subscribe(store.connection.key('counts'), (message) => {
    messages++
    bytes += message.length
  })
  const together = await used(seconds)
  count()
  const [first] = balancer.registry.list()
  if (!first || first.inFlightElsewhere < gateways - 1) throw new Error('the others were not heard')
  others.kill('SIGKILL')
  await balancer.keeper?.close()
  balancer.close()
  return [
    ['alone', '0', '0', alone.toFixed(2)],
    [
      `${gateways} gateways`,
      (messages / seconds).toFixed(0),
      (bytes / 1000 / seconds).toFixed(0),
      together.toFixed(2),
    ],
  ]
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      gateways: { type: 'string', default: '10' },
      backends: { type: 'string', default: '250' },
      seconds: { type: 'string', default: '10' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const gateways = whole('gateways', values.gateways, 2, 100)
  const backends = whole('backends', values.backends, 1, 2000)
  const seconds = whole('seconds', values.seconds, 1, 600)
  if (withoutRedis) {
    console.log(`left out: it ${withoutRedis}`)
    return 0
  }
  const ends: (() => unknown)[] = []
  const server = await RedisServer.start({ after: (end: () => unknown) => ends.push(end) })
  try {
    const rows = await measure(server.url, gateways, backends, seconds)
    console.log(table([`${backends} backends`, 'messages/s', 'KB/s', '% of a processor'], rows))
  } finally {
    for (const end of ends.reverse()) await end()
  }
  return 0
}

run('bench exchange', main)
