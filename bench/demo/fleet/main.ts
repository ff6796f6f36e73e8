import { setTimeout as sleep } from 'node:timers/promises'
import Table from 'cli-table3'
import { poisson } from '../../rig/arrivals.js'
import { RigBackend } from '../../rig/backend.js'
import { type LoadResult, load } from '../../rig/load.js'
import { type DemoGateway, startGateway } from '../gateway.js'
import { type Gateways, type Scene, scenes } from './play.js'
import { type DemoStore, openStore } from './store.js'

/** Requests a second at each gateway. */
const RATE = 100
const CLIENT_TIMEOUT_MS = 3000
/** Time between two scenes, so that the load shows what becomes of each. */
const PAUSE_MS = 500
const IDS = ['a', 'b', 'c']

const NO_STORE = `No valkey-server or redis-server is installed, and STORE is not set: each gateway has
a view of its own. Install one of them, and a drain reaches all three.`

/** Plays three gateways that share a store, and what happens to them. @returns the exit code */
export async function playFleet(once: boolean, signal: AbortSignal): Promise<number> {
  const store = await openStore(process.env)
  const backends = IDS.map((id) => new RigBackend({ id, workers: 8, queue: 200, workOf: () => 10 }))
  const gateways: Gateways = []
  try {
    const urls = await Promise.all(backends.map((backend) => backend.listen()))
    const entries = urls.map((url, i) => `${url};id=${IDS[i]}`)
    for (const id of IDS) gateways.push(await startGateway(entries, environmentOf(id, store)))
    const all = [...gateways] as DemoGateway[]
    console.log(describe(all, store))
    const loads = all.map(({ traffic }) => steadyLoad(traffic))
    const seen: Scene[] = []
    for await (const scene of scenes(gateways, store, (i) => loads[i]?.stop())) {
      seen.push(scene)
      if (signal.aborted) return 130
      await sleep(PAUSE_MS)
    }
    for (const { stop } of loads) stop()
    console.log(render(seen, await Promise.all(loads.map(({ result }) => result))))
    if (!store) console.log(`\n${NO_STORE}`)
    if (!once) await keepRunning(gateways, signal)
    return 0
  } finally {
    await Promise.all(gateways.map((gateway) => gateway?.stop()))
    await store?.stop()
    for (const backend of backends) backend.close()
  }
}

function environmentOf(id: string, store: DemoStore | undefined): Record<string, string> {
  return { SLOW_START: '0', GATEWAY_ID: id, ...(store && { STORE: store.url }) }
}

function steadyLoad(url: string): { stop(): void; result: Promise<LoadResult> } {
  const stopped = new AbortController()
  const arrivals = poisson(RATE, Number.POSITIVE_INFINITY, Math.random)
  return {
    stop: () => stopped.abort(),
    result: load({ url, arrivals, timeout: CLIENT_TIMEOUT_MS, signal: stopped.signal }),
  }
}

function describe(gateways: readonly DemoGateway[], store: DemoStore | undefined): string {
  const lines = gateways.map(({ traffic, admin }, i) => `gateway ${IDS[i]}  ${traffic}  dashboard ${admin}/`)
  return `
Three gateways before three backends, ${RATE} requests a second at each gateway.

${lines.join('\n')}
store      ${store?.described ?? 'none'}
`
}

function render(scenes: readonly Scene[], results: readonly LoadResult[]): string {
  const table = new Table({
    head: ['what happened', 'gateway a', 'gateway b', 'gateway c', 'after'],
    colAligns: ['left', 'left', 'left', 'left', 'right'],
    colWidths: [22, 14, 14, 14, 10],
    style: { head: [], border: [] },
  })
  for (const { what, seen, took } of scenes) {
    const shown = typeof seen === 'string' ? [{ colSpan: 3, content: seen }] : seen
    table.push([what, ...shown, took === undefined ? '' : `${Math.round(took)} ms`])
  }
  const failed = results.map(({ failed, timedOut }) => failed + timedOut)
  table.push(['requests that failed', ...failed.map((count, i) => `${count} of ${results[i]?.sent}`), ''])
  return table.toString()
}

async function keepRunning(gateways: Gateways, signal: AbortSignal): Promise<void> {
  const left = gateways.filter((gateway) => gateway !== undefined)
  console.log(`
The gateways keep running under ${RATE} requests a second each. See them in a browser:

${left.map(({ admin }) => `  ${admin}/`).join('\n')}

Or try, in another terminal:

  curl ${left[0]?.admin}/gateways
  curl -X POST ${left[0]?.admin}/backends/c/drain
  curl ${left[1]?.admin}/backends

Ctrl-C ends them.`)
  const loads = left.map(({ traffic }) => steadyLoad(traffic))
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve())
  })
  for (const { stop } of loads) stop()
  await Promise.all(loads.map(({ result }) => result))
}
