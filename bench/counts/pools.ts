import { exponential, type Scene, type SceneEvent, same } from '../simulate/scene.js'

/** Pools of backends that a gateway of several workers balances. Times in milliseconds. */
export const pools = {
  backends: 12,
  /** Mean work on a request, exponentially distributed. */
  work: 10,
  /** Of clients. */
  connections: 64,
}

/** Of each backend, how many times longer than usual it takes. */
export const slownesses = {
  equal: same(pools.backends, 1),
  slow: [...same(pools.backends - 1, 1), 10],
  unequal: Array.from({ length: pools.backends }, (_, i) => 2 ** ((i % 3) - 1)),
}

export type PoolName = keyof typeof slownesses

export const poolNames = Object.keys(slownesses) as PoolName[]

export interface PoolOptions {
  pool: PoolName
  /** The part of what all backends can do that is asked of them, below 1. */
  utilisation: number
  /** Requests that a backend works on at a time. */
  atOnce: number
  /** Workers that count for themselves; 1 where they have one count, which is the same as one worker. */
  counts: number
  spread: 'even' | 'hashed'
  requests: number
}

export function poolScene(options: PoolOptions): Scene {
  const { pool, utilisation, atOnce, counts, spread, requests } = options
  const { work, connections } = pools
  const slowness = slownesses[pool]
  const capacity = slowness.reduce((sum, times) => sum + atOnce / times, 0)
  const slowing: SceneEvent = {
    at: 0,
    happens(servers) {
      for (const [i, server] of servers.entries()) {
        const times = slowness[i] as number
        server.timeFor = (work) => work * times
      }
    },
  }
  return {
    backends: slowness.map(() => ({ workers: atOnce })),
    gateways: counts,
    connections: { count: connections, spread },
    requests,
    warmUp: Math.floor(requests / 5),
    load: { gap: exponential(work / (capacity * utilisation)) },
    work: exponential(work),
    events: [slowing],
  }
}
