import { lines, type Series } from '../plot/lines.js'
import { type Counts, counts, type Row } from './counts.js'
import { type PoolName, pools } from './pools.js'

const scene = `${pools.backends} backends that work on one request at a time, ${pools.work} ms on average; ${100 * counts.utilisation} % of what they can do is asked.`

/** Pictures of what was simulated, by file name, as SVG. */
export function pictures(data: Counts): Map<string, string> {
  return new Map([
    ['counts-equal.svg', picture(data, 'equal', 'equal backends')],
    ['counts-slow.svg', picture(data, 'slow', 'one backend is ten times slower')],
    ['counts-unequal.svg', picture(data, 'unequal', 'backends of three speeds')],
  ])
}

function picture({ few }: Counts, pool: PoolName, name: string): string {
  const rows = few.filter((row) => row.pool === pool && row.spread === 'even')
  const last = counts.workers.at(-1) as number
  return lines({
    title: `One count, or one per worker: ${name}`,
    subtitle: `${scene}\n99th percentile of response time, simulated, medians of ${counts.rounds} rounds. Dotted, the bound: one line before all backends.`,
    x: { name: 'workers of the gateway', log: true, base: 2, min: 1, max: last },
    y: {
      name: 'p99',
      ...(pool === 'equal' ? { min: 0 } : { log: true, min: 10 }),
      format: (value) => (value < 1000 ? `${value} ms` : `${value / 1000} s`),
    },
    series: [
      ...counts.policies.flatMap((policy, i): Series[] => [
        {
          name: `${policy}, one per worker`,
          style: i,
          dots: true,
          points: [...one(rows, policy, [1]), ...ofEach(rows, policy)],
        },
        { name: `${policy}, one count`, style: i + 2, points: one(rows, policy, [1, last]) },
      ]),
      { name: 'one line', style: 5, points: one(rows, undefined, [1, last]) },
    ],
  })
}

function one(rows: readonly Row[], policy: Row['policy'], at: readonly number[]): [number, number][] {
  const row = rows.find((row) => row.policy === policy && row.workers === undefined)
  return at.map((x) => [x, row?.p99.median ?? Number.NaN])
}

function ofEach(rows: readonly Row[], policy: Row['policy']): [number, number][] {
  return rows.flatMap(({ policy: own, workers, p99 }): [number, number][] =>
    own === policy && workers !== undefined ? [[workers, p99.median]] : [],
  )
}
