import { type PolicyName, policyNames } from '../../../src/balancer/selection/policies/index.js'
import { type Played, play } from '../play.js'
import { exponential, type Scene, same, uniform } from '../scene.js'
import { type Percentiles, percentile, percentiles } from '../statistics.js'

/** One backend of three is slow for a while: what `npm run demo` plays, without its clients' patience. */
export const slowDown = {
  rate: 300,
  workers: 4,
  /** Milliseconds of work on a request, and by how much it varies. */
  work: 10,
  deviation: 2.5,
  slowness: 20,
  /** Milliseconds. */
  duration: 30_000,
  from: 5000,
  to: 15_000,
  /** The scene is short and percentiles of one are rough: it is played so often, with other requests. */
  rounds: 20,
  /** Milliseconds of one point of a curve. */
  step: 250,
}

export interface SlowDownRow extends Percentiles {
  policy: PolicyName
  longestQueue: number
  /** What each backend was given while the last of them was slow, in percent. */
  shares: number[]
}

/** Curves over the time at which requests came, in seconds. */
export interface SlowDown {
  rows: SlowDownRow[]
  /** 99th percentile of latency. */
  latency: Curve[]
  /** Percent of the requests that the slow backend was given. */
  share: Curve[]
}

export interface Curve {
  policy: PolicyName
  points: [x: number, y: number][]
}

export function playSlowDown(seed: number): SlowDown {
  const result: SlowDown = { rows: [], latency: [], share: [] }
  for (const policy of policyNames) {
    const rounds = Array.from({ length: slowDown.rounds }, (_, i) =>
      play(slowDownScene(), policy, seed + i * 1000),
    )
    result.rows.push({
      policy,
      ...percentiles(Float64Array.from(rounds.flatMap(({ latencies }) => [...latencies]))),
      longestQueue: Math.max(...rounds.map(({ longestQueue }) => longestQueue)),
      shares: sharesWhileSlow(rounds),
    })
    const bins = binned(rounds)
    result.latency.push({
      policy,
      points: bins.map(({ at, latencies }) => [at, percentile(Float64Array.from(latencies), 99)]),
    })
    result.share.push({
      policy,
      points: bins.map(({ at, latencies, toSlow }) => [at, (100 * toSlow) / latencies.length]),
    })
  }
  return result
}

export function slowDownScene(): Scene {
  const { rate, workers, work, deviation, slowness, duration, from, to } = slowDown
  return {
    backends: same(3, { workers }),
    gateways: 1,
    requests: (rate * duration) / 1000,
    load: { gap: exponential(1000 / rate) },
    work: uniform(work, deviation),
    events: [
      {
        at: from,
        happens(servers) {
          const slow = servers.at(-1)
          if (slow) slow.timeFor = (work) => work * slowness
        },
      },
      {
        at: to,
        happens(servers) {
          const slow = servers.at(-1)
          if (slow) slow.timeFor = (work) => work
        },
      },
    ],
  }
}

function sharesWhileSlow(rounds: readonly Played[]): number[] {
  const given = [0, 0, 0]
  let total = 0
  for (const { due, chosen } of rounds) {
    due.forEach((at, i) => {
      if (at < slowDown.from || at >= slowDown.to) return
      const backend = chosen[i] as number
      given[backend] = (given[backend] as number) + 1
      total++
    })
  }
  return given.map((count) => (100 * count) / total)
}

interface Bin {
  /** Seconds, the middle of it. */
  at: number
  latencies: number[]
  toSlow: number
}

function binned(rounds: readonly Played[]): Bin[] {
  const { duration, step } = slowDown
  const bins: Bin[] = Array.from({ length: duration / step }, (_, i) => ({
    at: ((i + 0.5) * step) / 1000,
    latencies: [],
    toSlow: 0,
  }))
  for (const { due, latencies, chosen } of rounds) {
    due.forEach((at, i) => {
      // The last requests of a round may come a little after its time.
      const bin = bins[Math.floor(at / step)]
      if (!bin) return
      bin.latencies.push(latencies[i] as number)
      if (chosen[i] === 2) bin.toSlow++
    })
  }
  return bins
}
