import { type PolicyName, policyNames } from '../../../src/balancer/selection/policies/index.js'
import { play } from '../play.js'
import { exponential, type Scene, same, uniform } from '../scene.js'
import { type Percentiles, percentiles } from '../statistics.js'

/** Every second another one of three backends stops the world, as garbage collection does at its worst. */
export const pauses = {
  rate: 300,
  workers: 4,
  /** Milliseconds of work on a request, and by how much it varies. */
  work: 10,
  deviation: 2.5,
  /** Milliseconds of a pause, and from one to the next one's start. */
  pause: 600,
  every: 1000,
  duration: 200_000,
  after: 'p95' as const,
  /** Ceilings of hedges in percent of requests; 0 for none. */
  budgets: [0, 5, 10],
}

export interface PausesRow extends Percentiles {
  policy: PolicyName
  /** Ceiling of hedges, in percent of the requests. */
  budget: number
  /** Second tries there were, in percent of the requests. */
  hedges: number
  longestQueue: number
}

export function playPauses(seed: number): PausesRow[] {
  return policyNames.flatMap((policy) =>
    pauses.budgets.map((budget) => {
      const { latencies, hedges, longestQueue, answered } = play(pausesScene(budget), policy, seed)
      return { policy, budget, ...percentiles(latencies), hedges: (100 * hedges) / answered, longestQueue }
    }),
  )
}

export function pausesScene(budget: number): Scene {
  const { rate, workers, work, deviation, pause, every, duration, after } = pauses
  const backends = same(3, { workers })
  return {
    backends,
    gateways: 1,
    requests: (rate * duration) / 1000,
    load: { gap: exponential(1000 / rate) },
    work: uniform(work, deviation),
    events: Array.from({ length: duration / every }, (_, i) => ({
      at: i * every,
      happens: (servers) => servers[i % backends.length]?.pause(pause),
    })),
    ...(budget > 0 && { hedging: { after, budget } }),
  }
}
