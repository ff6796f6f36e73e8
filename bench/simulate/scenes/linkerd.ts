import { type PolicyName, policyNames } from '../../../src/balancer/selection/policies/index.js'
import { play } from '../play.js'
import { constant, lognormal, type Scene, same } from '../scene.js'
import { percentile } from '../statistics.js'

/** Linkerd's experiment of 2016: one backend of eleven answers after two seconds for half a minute. */
export const linkerd = {
  title: 'Beyond Round Robin: Load Balancing for Latency',
  url: 'https://linkerd.io/2016/03/16/beyond-round-robin-load-balancing-for-latency/',
  /** Percent of the requests that a client with a timeout of one second would have had answered. */
  published: {
    'round-robin': { as: 'round robin', withinSecond: 95 },
    'least-connections': { as: 'least loaded', withinSecond: 99 },
    'least-response-time': { as: 'peak EWMA', withinSecond: 99.9 },
  } as Partial<Record<string, { as: string; withinSecond: number }>>,
}

export interface LinkerdRow {
  policy: PolicyName
  as: string | undefined
  published: number | undefined
  /** Percent. */
  withinSecond: number
  p95: number
  p99: number
  p999: number
}

export function playLinkerd(seed: number): LinkerdRow[] {
  return policyNames.map((policy) => {
    const { latencies } = play(scene, policy, seed)
    const { as, withinSecond: published } = linkerd.published[policy] ?? {}
    return {
      policy,
      as,
      published,
      withinSecond: (100 * latencies.filter((latency) => latency <= 1000).length) / latencies.length,
      p95: percentile(latencies, 95),
      p99: percentile(latencies, 99),
      p999: percentile(latencies, 99.9),
    }
  })
}

/** A median of 167 ms and a deviation of 5 ms, from backends that replay latencies and know no queue. */
const scene: Scene = {
  backends: same(11, { workers: Number.POSITIVE_INFINITY }),
  gateways: 1,
  requests: 60_000,
  load: { gap: constant(1) },
  work: lognormal(167, 5 / 167),
  events: [
    {
      at: 15_000,
      happens([slow]) {
        if (slow) slow.timeFor = () => 2000
      },
    },
    {
      at: 45_000,
      happens([slow]) {
        if (slow) slow.timeFor = (work) => work
      },
    },
  ],
}
