import { median } from '../cost/goals.js'
import { type CoresResult, type CoresRow, difference, PEAK_CONNECTIONS } from './cores.js'

/** What is wanted of several workers, and whether it was reached. */
export interface Goal {
  text: string
  /** What was measured; undefined where it was not. */
  value: string | undefined
  /** Whether that is as wanted; undefined where it cannot be judged here. */
  reached: boolean | undefined
  /** Why it cannot be judged. */
  why?: string
}

/** Part of its cores that a gateway has to use for its requests a second to be the most it can answer. */
const FULL = 0.9
const MOST_COST = 1.1
const LEAST_RATE = 1.8
const MOST_DIFFERENCE = 1

export function goals(result: CoresResult): Goal[] {
  const { rows } = result
  const two = rows.find(({ workers }) => workers === 2)
  const most = rows.reduce((most, row) => (row.workers > most.workers ? row : most))
  return [costGoal(rows, two), rateGoal(result, two), peakGoal(most)]
}

function costGoal(rows: readonly CoresRow[], two: CoresRow | undefined): Goal {
  const text = `CPU for a request with 2 workers at most ${MOST_COST.toFixed(2)} × 1 worker`
  const cost = two && besideOne(rows, two, 'cost')
  if (cost === undefined) return unmeasured(text)
  return { text, value: cost.toFixed(2), reached: cost <= MOST_COST }
}

function rateGoal({ rows, placement }: CoresResult, two: CoresRow | undefined): Goal {
  const text = `requests a second with 2 workers at least ${LEAST_RATE.toFixed(1)} × 1 worker`
  const rate = two && besideOne(rows, two, 'rate')
  if (two === undefined || rate === undefined) return unmeasured(text)
  const value = rate.toFixed(2)
  if (placement.sharing !== 'own') {
    const why = {
      shared: 'the load shares the cores with the gateway',
      one: 'the workers share one core',
    }
    return { text, value, reached: undefined, why: why[placement.sharing] }
  }
  if (rate < LEAST_RATE && median(two.busy) < FULL * two.workers) {
    return { text, value, reached: undefined, why: 'the load could not keep both workers busy' }
  }
  return { text, value, reached: rate >= LEAST_RATE }
}

function peakGoal({ workers, peaks }: CoresRow): Goal {
  const who = `${workers} worker${workers === 1 ? '' : 's'}`
  const text = `peaks of equal backends with ${who} and ${PEAK_CONNECTIONS} requests at a time differ by at most ${MOST_DIFFERENCE}`
  return { text, value: peaks.join(' / '), reached: difference(peaks) <= MOST_DIFFERENCE }
}

function unmeasured(text: string): Goal {
  return { text, value: undefined, reached: undefined, why: 'there was no run with 1 and with 2 workers' }
}

/** How a row compares with that of one worker, within a round each, and the median of that; undefined without one. */
export function besideOne(
  rows: readonly CoresRow[],
  row: CoresRow,
  what: 'cost' | 'rate',
): number | undefined {
  const one = rows.find(({ workers }) => workers === 1)
  return one && median(row[what].map((value, round) => value / (one[what][round] as number)))
}
