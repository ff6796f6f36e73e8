import { parentPort, workerData } from 'node:worker_threads'
import { Balancer } from '../../src/balancer/balancer.js'
import type { Lease } from '../../src/balancer/leases/lease.js'
import type { PoolHandle } from '../../src/balancer/threads/messages.js'
import { seeded } from './random.js'

export interface CountingWork {
  pool: PoolHandle
  /** Number of requests, and of those that the thread has in flight at the same time. */
  requests: number
  concurrency: number
  /** A word that is 1 once all threads may begin. */
  start: Int32Array
  /** The number of threads that are ready. */
  ready: Int32Array
}

/** What the thread of this file got. */
export interface CountingResult {
  /** The largest number of requests in flight that was counted on each backend, with that request. */
  peaks: Record<string, number>
  /** Number of requests for which no backend had room. */
  refused: number
}

const { pool, requests, concurrency, start, ready } = workerData as CountingWork
const random = seeded(pool.worker)
const balancer = new Balancer({ shared: pool, random, slowStart: 0 })
const held: Lease[] = []
const peaks: Record<string, number> = {}
let refused = 0

Atomics.add(ready, 0, 1)
// The threads begin at the same moment, so that they are in each other's way.
while (Atomics.load(start, 0) === 0);
for (let i = 0; i < requests; i++) {
  if (held.length === concurrency) held.splice(Math.floor(random() * concurrency), 1)[0]?.release('ok')
  try {
    const lease = balancer.acquire()
    held.push(lease)
    peaks[lease.backend.id] = Math.max(peaks[lease.backend.id] ?? 0, lease.inFlight)
  } catch {
    refused++
    held.shift()?.release('ok')
  }
}
for (const lease of held) lease.release('ok')
parentPort?.postMessage({ peaks, refused } satisfies CountingResult)
