import { parentPort, workerData } from 'node:worker_threads'
import { Balancer } from '../../src/balancer/balancer.js'
import { FailurePenalty } from '../../src/balancer/health/failure-penalty.js'
import type { PoolHandle } from '../../src/balancer/threads/messages.js'
import { PoolTable } from '../../src/balancer/threads/table.js'
import { WorkerProbes } from '../../src/balancer/threads/worker-probes.js'

export interface HealthWork {
  pool: PoolHandle
  what: 'successes' | 'failures' | 'retries' | 'probes'
  /** How often the thread does it. Its answer is how often that went well. */
  times: number
  /** A word that is 1 once all threads may begin. */
  start: Int32Array
  /** The number of threads that are ready. */
  ready: Int32Array
  /** The number of threads that have the probe. */
  probing: Int32Array
}

const { pool, what, times, start, ready, probing } = workerData as HealthWork
const balancer = new Balancer({ shared: pool, slowStart: 0, retryBudget: 20 })
const { registry, clock, retryBudget } = balancer
const [backend] = registry.list()
if (!backend) throw new Error('the pool has no backend')
const penalty = new FailurePenalty(1)
const table = new PoolTable(pool.table)
const probes = new WorkerProbes({ table, registry, clock, baseMs: 1000 }, pool.worker, () => {})

Atomics.add(ready, 0, 1)
// The threads begin at the same moment, so that they are in each other's way.
while (Atomics.load(start, 0) === 0);
let done = 0
for (let i = 0; i < times; i++) {
  if (what === 'successes') penalty.succeeded(backend, 0)
  else if (what === 'failures') backend.healthMemory.addFailure()
  else if (what === 'retries') done += Number(retryBudget.spend())
  else if (probes.take(backend)) {
    // Nobody else may have the probe meanwhile.
    done += Number(Atomics.add(probing, 0, 1) === 0)
    Atomics.sub(probing, 0, 1)
    probes.giveBack(backend)
  } else done++
}
parentPort?.postMessage(done)
