import type { BackendView } from '../../balancer/index.js'
import type { AdminClient } from '../admin-client.js'
import { type Pool, readBackends, readPool } from '../responses.js'

/** How a pool is at one moment. */
export interface Sample {
  at: Date
  /** Milliseconds of a clock that nobody sets. */
  time: number
  pool: Pool
  backends: BackendView[]
}

/** What happened to a backend between two samples. */
export interface Recent {
  /** Part of the requests of the pool, 0 to 1; 0 where it had none. */
  share: number
  requestsPerSecond: number
  failedPerSecond: number
}

/** A sample, and what happened since the one before; nothing of that for the first sample. */
export interface Observation {
  sample: Sample
  /** Milliseconds since the sample before. */
  interval?: number | undefined
  /** By id of the backend. */
  recent: Map<string, Recent> | undefined
  /** Requests that were refused per second; undefined where the gateway does not count them. */
  refused?: number | undefined
}

export function observe(before: Sample | undefined, sample: Sample): Observation {
  if (!before) return { sample, recent: undefined }
  return {
    sample,
    interval: Math.round(sample.time - before.time),
    recent: between(before, sample),
    refused: refusedPerSecond(before, sample),
  }
}

/** Polled rather than streamed: every gateway has these two, and a sample that fails leaves nothing behind. */
export async function takeSample(client: AdminClient, signal: AbortSignal): Promise<Sample> {
  const [pool, backends] = await Promise.all([
    client.call('GET', '/pool', { read: readPool, signal }),
    client.call('GET', '/backends', { read: readBackends, signal }),
  ])
  return { at: new Date(), time: performance.now(), pool, backends }
}

/** What each backend was given, and failed, by its id. */
export function between(before: Sample, now: Sample): Map<string, Recent> {
  const seconds = Math.max(1, now.time - before.time) / 1000
  const old = new Map(before.backends.map((backend) => [backend.id, backend]))
  const done = now.backends.map(({ id, total, failed }) => ({
    id,
    requests: grown(total, old.get(id)?.total),
    failed: grown(failed, old.get(id)?.failed),
  }))
  const all = done.reduce((sum, { requests }) => sum + requests, 0)
  return new Map(
    done.map(({ id, requests, failed }) => [
      id,
      {
        share: all === 0 ? 0 : requests / all,
        requestsPerSecond: requests / seconds,
        failedPerSecond: failed / seconds,
      },
    ]),
  )
}

/** Requests of the pool that were refused per second; undefined where the gateway does not count them. */
export function refusedPerSecond(before: Sample, now: Sample): number | undefined {
  if (now.pool.refused === undefined) return undefined
  const seconds = Math.max(1, now.time - before.time) / 1000
  return grown(refusedOf(now.pool.refused), refusedOf(before.pool.refused)) / seconds
}

function refusedOf(counts: Record<string, number> = {}): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

/** A count that is less than before began anew: the backend was registered again, or the gateway started. */
function grown(count: number, before = 0): number {
  return count < before ? count : count - before
}
