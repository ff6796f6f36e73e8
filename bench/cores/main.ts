import { parseArgs } from 'node:util'
import { workerCount } from '../../src/gateway/worker-count.js'
import { run, STOPPED, untilStopped, whole } from '../command.js'
import { type Node, ownNode, parseNodes } from '../cost/nodes.js'
import { sensibleWorkers } from './placement.js'

const usage = `npm run bench -- cores [options]

What a proxied request costs the stand-alone gateway with several workers beside one
with a single worker, how many there are a second, what a further worker takes in
memory, and how evenly backends get the requests of all workers.

  --workers N,...   how many, in rising order (1,2,4, or 1,2 where these can have
                    cores of their own and four cannot)
  --node PATH       binary of Node that runs the gateways; more than one worker needs
                    Node 22.12 or newer
  --one-core        all threads of a gateway on one core, and the load on another: what
                    the code costs by itself, without two cores that want one count
  --rounds N        rounds that count (5)
  --seconds N       of each measurement (1)
  --connections N   of the clients, for each worker (32)
  --help            this text
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      workers: { type: 'string' },
      node: { type: 'string' },
      'one-core': { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '1' },
      connections: { type: 'string', default: '32' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const rounds = whole('rounds', values.rounds, 1, 100)
  const seconds = whole('seconds', values.seconds, 1, 60)
  const connections = whole('connections', values.connections, 1, 1000)
  const asked = values.workers === undefined ? undefined : parseWorkers(values.workers)
  const node = values.node === undefined ? ownNode : await parseNode(values.node)
  const workers = possible(asked ?? sensibleWorkers(), node)
  if (asked && workers.length < asked.length) {
    throw new Error(`--workers does not accept "${values.workers}" on Node ${node.version}: ${NEWER_NODE}`)
  }
  const signal = untilStopped()
  const { cores } = await import('./cores.js')
  const measured = cores({
    ...{ workers, node, rounds, connections, signal },
    duration: 1000 * seconds,
    onOneCore: values['one-core'],
    onProgress(done) {
      if (process.stderr.isTTY) process.stderr.write(`\r${Math.floor(100 * done)} %`)
    },
  })
  const result = await measured.catch((error: unknown) => {
    if (signal.aborted) return undefined
    throw error
  })
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  if (!result) return STOPPED
  const { report } = await import('./report.js')
  console.log(report(result))
  if (workers.length < (asked ?? sensibleWorkers()).length)
    console.log(`left out   more than 1 worker: ${NEWER_NODE}`)
  return 0
}

const NEWER_NODE = 'it needs Node 22.12 or newer, and --node PATH names one'

function parseWorkers(text: string): number[] {
  const counts = text.split(',').map((count) => whole('workers', count, 1, 64))
  if (counts.every((count, i) => count > (counts[i - 1] ?? 0))) return counts
  throw new Error(
    `--workers does not accept "${text}": it takes numbers in rising order, separated by commas`,
  )
}

async function parseNode(text: string): Promise<Node> {
  const [node, ...more] = await parseNodes(text)
  if (node && more.length === 0) return node
  throw new Error(`--node does not accept "${text}": it takes the path of one Node binary`)
}

/** Those that a gateway can have on this Node. */
function possible(counts: number[], { version }: Node): number[] {
  return counts.filter((count) => {
    try {
      return workerCount(count, version, count) === count
    } catch {
      return false
    }
  })
}

run('cores', main)
