import { type PolicyName, policyNames } from '../../../src/balancer/selection/policies/index.js'
import { play } from '../play.js'
import { type Scene, same } from '../scene.js'
import { percentile } from '../statistics.js'

/** Percentiles of latency in milliseconds, and the seconds that it took in all. */
export interface TowerFigures {
  p50: number
  p90: number
  p95: number
  p99: number
  p999: number
  wall: number
}

interface Published extends TowerFigures {
  as: string
}

/** The demo of tower's balancer: ten endpoints, the slowest a thousand times as slow as the fastest. */
export const tower = {
  title: 'tower-balance, examples/demo.rs',
  url: 'https://github.com/tower-rs/tower/pull/76',
  published: {
    'round-robin': { as: 'RoundRobin', p50: 9, p90: 98, p95: 496, p99: 906, p999: 988, wall: 72 },
    'power-of-two': { as: 'P2C+LeastLoaded', p50: 5, p90: 57, p95: 80, p99: 98, p999: 857, wall: 18 },
    'least-response-time': { as: 'P2C+PeakEWMA', p50: 5, p90: 56, p95: 78, p99: 96, p999: 105, wall: 15 },
  } as Partial<Record<string, Published>>,
}

export interface TowerRow {
  policy: PolicyName
  published: Published | undefined
  ours: TowerFigures
}

export function playTower(seed: number): TowerRow[] {
  return policyNames.map((policy) => {
    const { latencies, duration } = play(scene, policy, seed)
    // The demo counts whole milliseconds.
    const whole = latencies.map(Math.floor)
    return {
      policy,
      published: tower.published[policy],
      ours: {
        p50: percentile(whole, 50),
        p90: percentile(whole, 90),
        p95: percentile(whole, 95),
        p99: percentile(whole, 99),
        p999: percentile(whole, 99.9),
        wall: duration / 1000,
      },
    }
  })
}

/** Milliseconds: an answer is due after a whole number of them, from 0 to below this, each as likely. */
const limits = [1, 10, 10, 10, 10, 100, 100, 100, 100, 1000]

/** Timers there tick each millisecond: an answer that is due comes with the next tick, on average after so much. */
const TICK = 0.5

const scene: Scene = {
  backends: same(limits.length, { workers: Number.POSITIVE_INFINITY }),
  gateways: 1,
  requests: 50_000,
  load: { clients: 50 },
  work: (random) => random(),
  events: [
    {
      at: 0,
      happens(servers) {
        for (const [i, limit] of limits.entries()) {
          const server = servers[i]
          if (server) server.timeFor = (part) => Math.floor(part * limit) + TICK
        }
      },
    },
  ],
}
