import { type MessagePort, workerData } from 'node:worker_threads'
import { Balancer } from '../../src/balancer/balancer.js'
import type { PoolHandle } from '../../src/balancer/threads/messages.js'
import type { PoolTable } from '../../src/balancer/threads/table.js'
import { RequestCounters } from '../../src/telemetry/metrics/request-counters.js'
import { SharedCounters } from '../../src/telemetry/metrics/shared-counters.js'
import type { RequestRecord } from '../../src/telemetry/record.js'
import { Channel } from '../../src/threads/channel.js'

/** A request that is counted without being sent anywhere. */
export interface CountedRequest
  extends Pick<
    RequestRecord,
    'statusCode' | 'outcome' | 'bytesIn' | 'bytesOut' | 'responseTime' | 'firstByteTime' | 'error'
  > {
  /** Id of the backend; null for a request that no backend had. */
  backend: string | null
  waited: number
}

/** What the thread of this file takes. It is a worker of a pool. */
export interface ToCountingThread {
  /** Takes and ends a lease for each request, and counts it. */
  count(requests: CountedRequest[]): void
  /** Takes leases that do not end. */
  hold(leases: number): void
}

/** Counts a request in a pool. */
export function count(balancer: Balancer, counters: RequestCounters, request: CountedRequest): void {
  balancer.requested()
  const { backend: id, error, waited } = request
  if (id === null) {
    counters.none.add(request as unknown as RequestRecord)
  } else {
    const backend = balancer.registry.get(id)
    const others = balancer.registry.list().filter((other) => other !== backend)
    balancer.acquire(new Set(others)).release(request.outcome === 'ok' ? 'ok' : 'failed')
    counters.of(backend).add(request as unknown as RequestRecord)
  }
  if (waited > 0) counters.queueWait.add(waited)
  if (error !== null) counters.errors.add(error)
}

if (workerData) {
  const { pool, port } = workerData as { pool: PoolHandle; port: MessagePort }
  const balancer = new Balancer({ shared: pool, slowStart: 0, failureDecay: 0, ejectMaxPercent: 0 })
  const counters = new RequestCounters(SharedCounters.of(balancer.table as PoolTable)?.memoryOf(pool.worker))
  new Channel<ToCountingThread, Record<never, never>>(
    port,
    {
      count(requests) {
        for (const request of requests) count(balancer, counters, request)
      },
      hold(leases) {
        for (let i = 0; i < leases; i++) balancer.acquire()
      },
    },
    {
      keepsAlive: true,
      onError(error) {
        throw error
      },
    },
  )
}
