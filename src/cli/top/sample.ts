import type { BackendView } from '../../balancer/index.js'
import type { AdminClient } from '../admin-client.js'
import { type Gateway, type Pool, readBackends, readGateways, readPool } from '../responses.js'

/** The state of a pool at one moment. */
export interface Sample {
  /** Name of the pool; undefined where the API has one pool, or the user named one. */
  name?: string | undefined
  at: Date
  /** Time of the sample in milliseconds, from a monotonic clock. */
  time: number
  pool: Pool
  backends: BackendView[]
  /** The gateways that share the store; undefined where there is none. */
  gateways?: Gateway[] | undefined
}

/** Load of a backend between two samples. */
export interface Recent {
  /** Part of the requests of all backends that this backend got, from 0 to 1; 0 if there were no requests. */
  share: number
  requestsPerSecond: number
  failedPerSecond: number
}

/**
 * A sample, and what happened since the previous one. For the first sample, the values since the previous one are
 * undefined.
 */
export interface Observation {
  sample: Sample
  /** Milliseconds since the previous sample. */
  interval?: number | undefined
  /** The load of each backend since the previous sample, by the backend's id. */
  recent: Map<string, Recent> | undefined
  /** Refused requests per second; undefined if the gateway does not report them. */
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

/**
 * Takes a sample with `GET /pool` and `GET /backends`, and with `GET /gateways` where gateways share a store. Samples are polled and not streamed, because gateways of all
 * versions have these two calls, and a failed sample needs no cleanup.
 * @param name name of the pool, where it is to be shown
 */
export async function takeSample(client: AdminClient, signal: AbortSignal, name?: string): Promise<Sample> {
  const [pool, backends] = await Promise.all([
    client.call('GET', '/pool', { read: readPool, signal }),
    client.call('GET', '/backends', { read: readBackends, signal }),
  ])
  const sample = { name, at: new Date(), time: performance.now(), pool, backends }
  if (!pool.store) return sample
  return { ...sample, gateways: await client.call('GET', '/gateways', { read: readGateways, signal }) }
}

/** Returns the load of each backend between two samples, by the backend's id. */
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

/** Returns the refused requests of the pool per second; undefined if the gateway does not report them. */
export function refusedPerSecond(before: Sample, now: Sample): number | undefined {
  if (now.pool.refused === undefined) return undefined
  const seconds = Math.max(1, now.time - before.time) / 1000
  return grown(refusedOf(now.pool.refused), refusedOf(before.pool.refused)) / seconds
}

function refusedOf(counts: Record<string, number> = {}): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

/**
 * Returns the growth of a counter. A counter that is lower than before began again at 0, because the backend was
 * registered again or the gateway restarted.
 */
function grown(count: number, before = 0): number {
  return count < before ? count : count - before
}
