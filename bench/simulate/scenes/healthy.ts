import { type PolicyName, policyNames } from '../../../src/balancer/selection/policies/index.js'
import { erlangWait } from '../erlang.js'
import { play } from '../play.js'
import { exponential, type Scene, same } from '../scene.js'
import { type Percentiles, percentile, percentiles } from '../statistics.js'

/** Pools in which nothing goes wrong. */
export const healthy = {
  backends: [3, 10, 30, 100, 300, 1000],
  gateways: [1, 5, 10, 50],
  workers: 4,
  /** Mean milliseconds of work on a request, exponentially distributed. */
  work: 10,
  utilisation: 0.8,
}

export interface HealthyRow extends Percentiles {
  policy: PolicyName
  backends: number
  gateways: number
  /** 99 of 100 requests waited no longer than this for a worker, in milliseconds. */
  waitP99: number
  longestQueue: number
  /** What the busiest backend was given, in fair shares. */
  busiest: number
}

export interface Healthy {
  rows: HealthyRow[]
  /** By number of backends, the `waitP99` of one line before all workers of the pool: the bound for all. */
  bound: { backends: number; waitP99: number }[]
}

export async function playHealthy(
  requests: number,
  seed: number,
  onPlayed: (what: string) => Promise<void>,
): Promise<Healthy> {
  const rows: HealthyRow[] = []
  for (const backends of healthy.backends) {
    for (const gateways of healthy.gateways) {
      const scene = healthyScene(backends, gateways, requests)
      for (const policy of policyNames) {
        const { latencies, works, longestQueue, arrived } = play(scene, policy, seed)
        rows.push({
          policy,
          backends,
          gateways,
          ...percentiles(latencies),
          waitP99: percentile(
            latencies.map((latency, i) => latency - (works[i] as number)),
            99,
          ),
          longestQueue,
          busiest: (Math.max(...arrived) * backends) / requests,
        })
        await onPlayed(`${backends} backends, ${gateways} gateways, ${policy}`)
      }
    }
  }
  const bound = healthy.backends.map((backends) => ({
    backends,
    waitP99: erlangWait(backends * healthy.workers, healthy.utilisation, healthy.work, 99),
  }))
  return { rows, bound }
}

export function healthyScene(backends: number, gateways: number, requests: number): Scene {
  const { workers, work, utilisation } = healthy
  return {
    backends: same(backends, { workers }),
    gateways,
    requests,
    warmUp: Math.floor(requests / 5),
    load: { gap: exponential(work / (backends * workers * utilisation)) },
    work: exponential(work),
  }
}
