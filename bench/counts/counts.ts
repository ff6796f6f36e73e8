import type { PolicyName } from '../../src/balancer/selection/policies/index.js'
import { type Played, play } from '../simulate/play.js'
import { type Percentiles, percentiles } from '../simulate/statistics.js'
import { oneLine } from './one-line.js'
import { type PoolName, poolNames, poolScene, pools, slownesses } from './pools.js'

export const counts = {
  /** Workers of a gateway that each count for themselves. */
  workers: [2, 4, 8, 16, 32],
  /** Each is played with so many seeds. */
  rounds: 5,
  policies: ['least-connections', 'power-of-two'] satisfies PolicyName[],
  /** The part of what all backends can do that is asked of them. */
  utilisation: 0.7,
  /** How many requests backends work on at a time where workers have more and more of them to count. */
  many: {
    workers: 8,
    atOnce: [1, 4, 16, 64],
    loads: [
      { pool: 'equal', utilisation: 0.7 },
      { pool: 'equal', utilisation: 0.9 },
      { pool: 'slow', utilisation: 0.7 },
    ] satisfies Omit<Load, 'atOnce'>[],
  },
}

export interface CountsOptions {
  /** The first of the seeds; the same gives the same figures. */
  seed: number
  /** Of each run. */
  requests: number
  /** Asked between runs. */
  signal?: AbortSignal
  onProgress?: (done: number, total: number, what: string) => void
}

/** A figure over all rounds. */
export interface Figure {
  median: number
  least: number
  most: number
}

/** What becomes of the requests of a pool. Times in milliseconds. */
export interface Row {
  pool: PoolName
  /** Undefined for one line before all backends. */
  policy: PolicyName | undefined
  /** Workers that count for themselves; undefined for one count of all workers. */
  workers: number | undefined
  /** How connections are spread over workers. */
  spread: 'even' | 'hashed'
  atOnce: number
  utilisation: number
  p50: Figure
  p99: Figure
  p999: Figure
  /** p99 in that of one line before all backends, in the same round. */
  beside: Figure
  /** Requests that waited although another backend had room, in percent. */
  waited: Figure
  /** Largest number of requests on one backend, and the mean of all backends. */
  most: Figure
  mean: Figure
}

export interface Counts {
  seed: number
  requests: number
  /** Few requests per backend and worker. */
  few: Row[]
  /** More and more requests per backend and worker. */
  many: Row[]
}

/** Plays pools with one count of all workers, and with a count of each. */
export async function playCounts(options: CountsOptions): Promise<Counts> {
  const { seed, requests, signal, onProgress } = options
  const few = poolNames.flatMap((pool) =>
    cases({ pool, atOnce: 1, utilisation: counts.utilisation }, counts.workers, ['even', 'hashed']),
  )
  const { workers, atOnce, loads } = counts.many
  const many = loads.flatMap((load) =>
    atOnce.flatMap((atOnce) => cases({ ...load, atOnce }, [workers], ['even'])),
  )
  const total = few.length + many.length
  let done = 0
  const rows = async (all: readonly Case[]) => {
    const result: Row[] = []
    for (const one of all) {
      result.push(rowOf(one, seed, requests))
      onProgress?.(++done, total, `${one.pool} backends`)
      // Lets a signal be heard.
      await new Promise((resolve) => setImmediate(resolve))
      signal?.throwIfAborted()
    }
    return result
  }
  return { seed, requests, few: await rows(few), many: await rows(many) }
}

type Load = Pick<Row, 'pool' | 'atOnce' | 'utilisation'>
type Case = Load & Pick<Row, 'policy' | 'workers' | 'spread'>

function cases(load: Load, workers: readonly number[], spreads: readonly Row['spread'][]): Case[] {
  return [
    { ...load, policy: undefined, workers: undefined, spread: 'even' },
    ...counts.policies.flatMap((policy) => [
      // Whichever worker a request comes to, one count is the same.
      { ...load, policy, workers: undefined, spread: 'even' as const },
      ...spreads.flatMap((spread) => workers.map((workers) => ({ ...load, policy, workers, spread }))),
    ]),
  ]
}

interface Round extends Percentiles {
  beside: number
  waited: number
  most: number
  mean: number
}

function rowOf(one: Case, seed: number, requests: number): Row {
  const rounds = Array.from({ length: counts.rounds }, (_, i) => roundOf(one, seed + i, requests))
  const figure = (name: keyof Round) => figureOf(rounds.map((round) => round[name]))
  return {
    ...one,
    p50: figure('p50'),
    p99: figure('p99'),
    p999: figure('p999'),
    beside: figure('beside'),
    waited: figure('waited'),
    most: figure('most'),
    mean: figure('mean'),
  }
}

function roundOf(one: Case, seed: number, requests: number): Round {
  const { pool, policy, workers, atOnce } = one
  const scene = poolScene({ ...one, counts: workers ?? 1, requests })
  const played = play(scene, policy ?? 'least-connections', seed)
  const bound = oneLine(played.due, played.works, slownesses[pool], atOnce)
  const line = percentiles(bound)
  if (policy === undefined) {
    return { ...line, beside: 1, waited: 0, most: atOnce, mean: inFlight(played.due, bound) }
  }
  const { latencies, waitedBesideFree, mostInFlight } = played
  const found = percentiles(latencies)
  return {
    ...found,
    beside: found.p99 / line.p99,
    waited: (100 * waitedBesideFree) / latencies.length,
    most: mostInFlight,
    mean: inFlight(played.due, latencies),
  }
}

/** Requests in flight on a backend on average, which is their rate times how long they take (Little's law). */
function inFlight(due: Played['due'], latencies: Played['latencies']): number {
  const span = (due.at(-1) as number) - (due[0] as number)
  return latencies.reduce((sum, latency) => sum + latency, 0) / span / pools.backends
}

function figureOf(values: readonly number[]): Figure {
  const sorted = values.toSorted((a, b) => a - b)
  return {
    median: sorted[sorted.length >> 1] as number,
    least: sorted[0] as number,
    most: sorted.at(-1) as number,
  }
}
