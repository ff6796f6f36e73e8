import { workerData } from 'node:worker_threads'
import { Balancer } from '../../src/balancer/balancer.js'
import type { Lease } from '../../src/balancer/leases/lease.js'
import { type QueueLoad, REFUSED, SERVED, WAITING } from './queue-load.js'
import { seeded } from './random.js'

const { pool, queueLimit, requests, atOnce, longestHold, blocks, seen, results, gate }: QueueLoad = workerData
const balancer = new Balancer({ shared: pool, queueLimit, queueTimeout: 60_000 })
const backends = balancer.registry.list()
const random = seeded(pool.worker + 1)
let begun = 0
let waiting = 0

function next(): void {
  if (begun === requests) return
  begun++
  waiting++
  Atomics.add(results, WAITING, 1)
  balancer.lease({
    onLease(lease) {
      waiting--
      Atomics.sub(results, WAITING, 1)
      Atomics.add(results, SERVED, 1)
      hold(lease)
    },
    onReject() {
      waiting--
      Atomics.sub(results, WAITING, 1)
      Atomics.add(results, REFUSED, 1)
      next()
    },
  })
}

function hold(lease: Lease): void {
  const at = 2 * backends.indexOf(lease.backend)
  const inFlight = Atomics.add(seen, at, 1) + 1
  for (;;) {
    const most = Atomics.load(seen, at + 1)
    if (inFlight <= most || Atomics.compareExchange(seen, at + 1, most, inFlight) === most) break
  }
  const end = () => {
    if (Atomics.load(gate, 0) === 0) return setTimeout(end, 1)
    Atomics.sub(seen, at, 1)
    lease.release('ok')
    return next()
  }
  setTimeout(end, 1 + random() * (longestHold - 1))
}

function block(): void {
  const until = performance.now() + blocks
  while (performance.now() < until);
  if (begun < requests || waiting > 0) setImmediate(block)
}

for (let i = 0; i < atOnce; i++) next()
if (blocks > 0) block()
// Requests that only wait keep no thread alive.
const alive = setInterval(() => {
  if (begun === requests && waiting === 0) clearInterval(alive)
}, 5)
