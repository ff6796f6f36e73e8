import { type PolicyName, policyNames } from '../../../src/balancer/policies/index.js'
import { play } from '../play.js'
import { exponential, type HedgingOptions, type Scene, same, uniform } from '../scene.js'
import { type Percentiles, percentiles, survival } from '../statistics.js'

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
  hedging: { after: 'p95', budget: 5 } satisfies HedgingOptions,
}

export interface PausesRow extends Percentiles {
  policy: PolicyName
  hedging: boolean
  /** Second tries, in percent of the requests. */
  hedges: number
  longestQueue: number
}

/** How many requests took longer, by how long: `[milliseconds, percent of the requests]`. */
export interface PausesCurve {
  policy: PolicyName
  hedging: boolean
  points: [x: number, y: number][]
}

export interface Pauses {
  rows: PausesRow[]
  curves: PausesCurve[]
}

export function playPauses(seed: number): Pauses {
  const result: Pauses = { rows: [], curves: [] }
  for (const policy of policyNames) {
    for (const hedging of [false, true]) {
      const { latencies, hedges, longestQueue, answered } = play(pausesScene(hedging), policy, seed)
      result.rows.push({
        policy,
        hedging,
        ...percentiles(latencies),
        hedges: (100 * hedges) / answered,
        longestQueue,
      })
      result.curves.push({ policy, hedging, points: survival(latencies) })
    }
  }
  return result
}

export function pausesScene(hedging: boolean): Scene {
  const { rate, workers, work, deviation, pause, every, duration } = pauses
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
    ...(hedging && { hedging: pauses.hedging }),
  }
}
