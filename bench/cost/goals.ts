import type { CostResult, CostRow } from './cost.js'
import type { KindName } from './kinds.js'
import { names } from './rivals.js'

/** What leastwise should cost at most, beside a rival. */
export interface Goal {
  kind: KindName
  who: string
  beside: string
  atMost: number
  /** Version of the Node that both run with, or leastwise where the other is not on Node. */
  node: string
  /** What it costs in this run; undefined where the rival was not there. */
  ratio: number | undefined
}

const wanted: [kind: KindName, who: string, beside: string, atMost: number][] = [
  ['get', names.silent, names.caddy, 0.8],
  ['get', names.silent, names.raw, 1.15],
  ['get', names.info, names.silent, 1.2],
  ['post-1k', names.silent, names.caddy, 1],
  ['post-1k', names.silent, names.httpProxy, 0.65],
  ['post-64k', names.silent, names.caddy, 1.2],
  ['answer-64k', names.silent, names.caddy, 1.2],
  ['stream-16m', names.silent, names.caddy, 1.2],
]

/** Of the kinds that were measured, for each Node. */
export function goals({ rows, kinds, nodes }: CostResult): Goal[] {
  return nodes.flatMap(({ version }) =>
    wanted
      .filter(([kind]) => kinds.includes(kind))
      .map(([kind, who, beside, atMost]) => {
        const one = rows.find((row) => row.kind === kind && row.name === who && row.node === version)
        const other = one && rowBeside(rows, one, beside)
        const reached = one && other && ratio(one, other)
        return { kind, who, beside, atMost, node: version, ratio: reached }
      }),
  )
}

/** The row that another is compared with: of the same kind, and on the same Node or on none. */
export function rowBeside(rows: CostRow[], { kind, node }: CostRow, name: string): CostRow | undefined {
  const named = rows.filter((row) => row.kind === kind && row.name === name)
  // What is not on Node is compared with what runs on this one.
  return named.find((row) => row.node === node) ?? named[0]
}

/** How one cost compares with another, within a round each, and the median of that: what drifts does not count. */
export function ratio(one: CostRow, other: CostRow): number {
  return median(one.cost.map((cost, round) => cost / (other.cost[round] as number)))
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length / 2
  return ((sorted[Math.ceil(half) - 1] as number) + (sorted[Math.floor(half)] as number)) / 2
}
