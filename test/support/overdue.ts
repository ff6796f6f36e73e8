import { beforeEach } from 'node:test'
import { request } from 'undici'
import type { GatewayProcess } from './process.js'

/** Milliseconds before a file is cut at its time that it says what it waits for. */
const WARN_BEFORE_MS = 10_000
/** Milliseconds that a gateway has to say how it is. */
const POOL_TIMEOUT_MS = 3000
/** Log lines of a gateway that are shown. */
const LINES = 5

const gateways = new Set<GatewayProcess>()

/** Shows how this gateway is, should a test that uses it still run shortly before the time of its file is up. */
export function showIfOverdue(gateway: GatewayProcess): void {
  gateways.add(gateway)
  gateway.child.once('exit', () => gateways.delete(gateway))
}

/** The runner says of a file that it cuts neither which test it was in nor why that did not end. */
function watch(): void {
  if (process.env.NODE_TEST_CONTEXT === undefined) return
  const [, limit] = /--test-timeout=(\d+)/.exec(process.execArgv.join(' ')) ?? []
  const time = Number(limit) - WARN_BEFORE_MS - performance.now()
  if (!(time > 0)) return
  let name = 'nothing'
  let since = 0
  beforeEach((context) => {
    name = (context as { name: string }).name
    since = performance.now()
  })
  setTimeout(async () => {
    const seconds = Math.round((performance.now() - since) / 1000)
    console.error(`about to be cut; for ${seconds} s it has been at: ${name}`)
    for (const gateway of gateways) {
      console.error(`gateway ${gateway.url}: ${await poolOf(gateway)}`)
      for (const line of gateway.lines.slice(-LINES)) console.error(`  ${JSON.stringify(line)}`)
    }
  }, time).unref()
}

async function poolOf({ admin }: GatewayProcess): Promise<string> {
  try {
    const { body } = await request(`${admin}/pool`, { signal: AbortSignal.timeout(POOL_TIMEOUT_MS) })
    return await body.text()
  } catch (error) {
    return String(error)
  }
}

watch()
