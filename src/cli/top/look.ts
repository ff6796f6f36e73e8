import type { BackendView } from '../../balancer/index.js'
import type { AdminClient } from '../admin-client.js'
import { type Pool, readBackends, readPool } from '../answers.js'

/** How a pool is at one moment. */
export interface Look {
  at: Date
  /** Milliseconds of a clock that nobody sets. */
  time: number
  pool: Pool
  backends: BackendView[]
}

/** What happened between two looks. */
export interface Recent {
  /** Part of the requests of the pool, 0 to 1; 0 where it had none. */
  share: number
  requestsPerSecond: number
  failedPerSecond: number
}

/** Polled rather than streamed: every gateway has these two, and a look that fails leaves nothing behind. */
export async function lookAt(client: AdminClient, signal: AbortSignal): Promise<Look> {
  const [pool, backends] = await Promise.all([
    client.call('GET', '/pool', { read: readPool, signal }),
    client.call('GET', '/backends', { read: readBackends, signal }),
  ])
  return { at: new Date(), time: performance.now(), pool, backends }
}

/** What each backend was given, and failed, by its id. */
export function between(before: Look, now: Look): Map<string, Recent> {
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
export function refusedPerSecond(before: Look, now: Look): number | undefined {
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
