import { parentPort, workerData } from 'node:worker_threads'
import { Balancer } from '../../src/balancer/balancer.js'
import type { Lease } from '../../src/balancer/leases/lease.js'
import type { PoolHandle } from '../../src/balancer/threads/messages.js'

/** What the thread of this file counted. */
export interface ConfiguredWork {
  served: number
  refused: number
}

const pool: PoolHandle = workerData
const balancer = new Balancer({ shared: pool })
const work: ConfiguredWork = { served: 0, refused: 0 }
const CONCURRENCY = 20
let inFlight = 0
let isOver = false

/** Sends requests that take a turn or two of the event loop, for as long as nobody says that it is over. */
function next(): void {
  inFlight++
  balancer.lease({
    onLease(lease) {
      work.served++
      setImmediate(() => end(lease))
    },
    onReject() {
      work.refused++
      setImmediate(() => end())
    },
  })
}

function end(lease?: Lease): void {
  lease?.answered(balancer.clock.now())
  lease?.release('ok')
  inFlight--
  if (!isOver) {
    next()
  } else if (inFlight === 0) {
    parentPort?.postMessage(work)
    balancer.close()
    parentPort?.close()
  }
}

for (let i = 0; i < CONCURRENCY; i++) next()
// Requests that only wait keep no thread alive, but this does.
parentPort?.on('message', () => {
  isOver = true
})
