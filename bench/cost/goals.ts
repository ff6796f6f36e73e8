import type { CostResult } from './cost.js'
import { names } from './rivals.js'

/** What leastwise should cost at most, beside a rival. */
export interface Goal {
  who: string
  beside: string
  atMost: number
  /** What it costs in this run; undefined where the rival was not there. */
  ratio: number | undefined
}

const wanted: [who: string, beside: string, atMost: number][] = [
  [names.silent, names.httpProxy, 0.6],
  [names.silent, names.caddy, 0.7],
  [names.silent, names.raw, 1.25],
  [names.info, names.silent, 1.2],
]

export function goals(result: CostResult): Goal[] {
  return wanted.map(([who, beside, atMost]) => ({ who, beside, atMost, ratio: ratio(result, who, beside) }))
}

/** How one cost compares with another, within a round each, and the median of that: what drifts does not count. */
export function ratio({ rows }: CostResult, who: string, beside: string): number | undefined {
  const one = rows.find(({ name }) => name === who)
  const other = rows.find(({ name }) => name === beside)
  if (!one || !other) return undefined
  return median(one.cost.map((cost, round) => cost / (other.cost[round] as number)))
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length / 2
  return ((sorted[Math.ceil(half) - 1] as number) + (sorted[Math.floor(half)] as number)) / 2
}
