import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Presets, SingleBar } from 'cli-progress'
import { run } from '../command.js'
import { poisson } from '../rig/arrivals.js'
import { RigBackend } from '../rig/backend.js'
import { load } from '../rig/load.js'
import { playFleet } from './fleet/main.js'
import { type DemoGateway, startGateway } from './gateway.js'
import { type Row, render, tell } from './report.js'

const usage = `npm run demo -- [--once] [--seconds N] [--fleet] [--help]

Starts three small backends and the gateway on loopback, sends load while one of the
backends turns slow: with round robin, with least connections, and with least response
time. Prints how clients fared.

  --once       exit after the table
  --seconds N  length of each of the three rounds, 4 to 600 (14)
  --fleet      instead: three gateways that share a store, valkey-server or redis-server or
               the one that STORE names, and what happens when parts of that are killed
  --help       this text
`

/** What the demo plays. A backend can do workers / service time = 400 requests a second; slow, 20. */
const scene = {
  rate: 300,
  backends: { workers: 4, queue: 44 },
  serviceTime: 10,
  slowness: 20,
  clientTimeout: 3000,
  policies: ['round-robin', 'least-connections', 'least-response-time'],
  /** Once the table is printed; times in milliseconds. */
  afterwards: { rate: 100, every: 40_000, slowFor: 10_000 },
}

/** It varies by a quarter. */
const someWork = () => scene.serviceTime * (0.75 + Math.random() / 2)

async function main(): Promise<number> {
  const options = parseArguments()
  if (options === undefined) return 0
  const { once, seconds, fleet } = options

  const stopped = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // npm passes on a Ctrl-C that the whole process group had already.
    process.on(signal, () => {
      if (!stopped.signal.aborted) console.log('\nstopping…')
      stopped.abort()
    })
  }

  if (fleet) return await playFleet(once, stopped.signal)
  const backends = ['a', 'b', 'c'].map((id) => new RigBackend({ id, ...scene.backends, workOf: someWork }))
  const urls = await Promise.all(backends.map((backend) => backend.listen()))
  const gateway = await startGateway(urls.map((url, i) => `${url};id=${backends[i]?.id}`))
  try {
    console.log(describe(gateway, seconds))
    const rows: Row[] = []
    for (const policy of scene.policies) {
      rows.push(await round(policy, backends, gateway, seconds * 1000, stopped.signal))
      if (stopped.signal.aborted) return 130
    }
    console.log(`\n${render(rows)}`)
    console.log('Latency in ms from when a request was due; errors: 502 and timeouts; share in %.')
    console.log(`\n${tell(rows)}`)
    if (!once) await keepRunning(gateway, backends, stopped.signal)
    return 0
  } finally {
    await gateway.stop()
    for (const backend of backends) backend.close()
  }
}

function parseArguments(): { once: boolean; seconds: number; fleet: boolean } | undefined {
  const { values } = parseArgs({
    options: {
      once: { type: 'boolean', default: false },
      seconds: { type: 'string', default: '14' },
      fleet: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return undefined
  }
  const seconds = Number(values.seconds)
  if (!Number.isInteger(seconds) || seconds < 4 || seconds > 600) {
    throw new Error(`--seconds does not accept "${values.seconds}": it takes a whole number from 4 to 600`)
  }
  return { once: values.once, seconds, fleet: values.fleet }
}

function describe(gateway: DemoGateway, seconds: number): string {
  const { serviceTime } = scene
  const { workers, queue } = scene.backends
  return `
Three backends, each with ${workers} workers of about ${serviceTime} ms a request and room for
${queue} in its queue. ${scene.rate} requests a second for ${seconds} s; clients give up after ${scene.clientTimeout / 1000} s.
In the middle half of that time backend c is ${scene.slowness} times slower.

gateway    ${gateway.traffic}
admin API  ${gateway.admin}
dashboard  ${gateway.admin}/
`
}

/** One policy under the same load; the middle half of it with a slow backend. */
async function round(
  policy: string,
  backends: RigBackend[],
  gateway: DemoGateway,
  duration: number,
  signal: AbortSignal,
): Promise<Row> {
  await gateway.setPolicy(policy)
  const slow = backends.at(-1) as RigBackend
  const before = new Map(backends.map(({ id, arrived }) => [id, arrived]))
  // On a terminal a bar; in a log a line when the scene changes.
  const bar = process.stdout.isTTY
    ? new SingleBar(
        { format: '{policy} {bar} {phase}', hideCursor: true, clearOnComplete: true },
        Presets.shades_classic,
      )
    : undefined
  const label = policy.padEnd(20)
  bar?.start(duration, 0, { policy: label, phase: '' })
  let phase = ''
  const result = await load({
    url: gateway.traffic,
    arrivals: poisson(scene.rate, duration, Math.random),
    timeout: scene.clientTimeout,
    signal,
    onProgress(elapsed) {
      const quarter = Math.floor((4 * elapsed) / duration)
      const now =
        quarter === 0 ? 'all is well' : quarter < 3 ? `${slow.id} is slow` : `${slow.id} is well again`
      slow.slowness = quarter === 1 || quarter === 2 ? scene.slowness : 1
      bar?.update(elapsed, { phase: now })
      if (!bar && now !== phase) console.log(`${label} ${now}`)
      phase = now
    },
  })
  bar?.stop()
  // What the slow backend still has in its queue must not weigh on the next round.
  while (!signal.aborted && (await gateway.backends()).some(({ inFlight }) => inFlight > 0)) await sleep(50)
  return {
    policy,
    result,
    arrived: new Map(backends.map(({ id, arrived }) => [id, arrived - (before.get(id) ?? 0)])),
  }
}

/** Something to look at: a light load, and the last backend slow for a while again and again. */
async function keepRunning(gateway: DemoGateway, backends: RigBackend[], signal: AbortSignal): Promise<void> {
  const { rate, every, slowFor } = scene.afterwards
  const slow = backends.at(-1) as RigBackend
  console.log(`
The gateway keeps running under ${rate} requests a second, and backend ${slow.id} turns slow
for ${slowFor / 1000} of every ${every / 1000} s. See it in a browser:

  ${gateway.admin}/

Or try, in another terminal:

  curl ${gateway.traffic}
  curl ${gateway.admin}/backends
  curl -X POST ${gateway.admin}/backends/c/drain
  curl -X POST ${gateway.admin}/backends/c/activate

Ctrl-C ends it.`)
  await load({
    url: gateway.traffic,
    arrivals: poisson(rate, Number.POSITIVE_INFINITY, Math.random),
    timeout: scene.clientTimeout,
    signal,
    onProgress(elapsed) {
      slow.slowness = elapsed % every < every - slowFor ? 1 : scene.slowness
    },
  })
}

run('demo', main)
