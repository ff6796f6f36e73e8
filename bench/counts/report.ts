import { milliseconds, section } from '../simulate/section.js'
import { type Counts, counts, type Figure, type Row } from './counts.js'
import { type PoolName, poolNames, pools } from './pools.js'

const titles: Record<PoolName, string> = {
  equal: 'Equal backends',
  slow: 'One backend ten times slower than the others',
  unequal: 'A third of the backends twice as fast, and a third half as fast',
}

/** All tables, each with what it shows and how it comes about. */
export function render(data: Counts): string {
  const { backends, work } = pools
  return [
    `${backends} backends, exponential work of ${work} ms on average. ${data.requests} requests a round, the first fifth not counted; medians
of ${counts.rounds} rounds, with the least and the most in brackets. Milliseconds where nothing else is said. "One line" before all
backends is the bound: a request waits only while none of them has room, and gets the fastest that has.`,
    ...poolNames.map((pool) => poolText(pool, data.few)),
    hashedText(data.few),
    manyText(data.many),
    `Seeds from ${data.seed} on: others give other requests, and much the same figures.`,
  ].join('\n\n')
}

function poolText(pool: PoolName, rows: readonly Row[]): string {
  return section(
    titles[pool],
    `A backend works on one request at a time; ${100 * counts.utilisation} % of what all can do is asked of them. Clients' connections are
spread evenly over the workers.`,
    ['policy', 'counts', 'p50', 'p99', 'p99.9', 'p99 : one line', 'waited, %', 'most : mean in flight'],
    rows
      .filter((row) => row.pool === pool && row.spread === 'even')
      .map((row) => [
        row.policy ?? 'one line',
        countsOf(row),
        milliseconds(row.p50.median),
        withSpread(row.p99),
        withSpread(row.p999),
        ratio(row.beside),
        row.waited.median.toFixed(1),
        `${row.most.median} : ${row.mean.median.toFixed(1)}`,
      ]),
    '"Waited" are requests that had to wait on their backend although another one had nothing to do.',
  )
}

function hashedText(rows: readonly Row[]): string {
  const { connections } = pools
  const evenly = rows.filter(({ spread, workers }) => spread === 'even' && workers !== undefined)
  return section(
    'Connections spread by a hash: p99',
    `${connections} connections, of which each goes to a worker that is drawn, as with SO_REUSEPORT; above, each worker has as many.`,
    ['backends', 'policy', 'workers', 'evenly', 'by a hash'],
    evenly.map((even) => {
      const hashed = rows.find(
        ({ pool, policy, workers, spread }) =>
          spread === 'hashed' && pool === even.pool && policy === even.policy && workers === even.workers,
      )
      return [
        even.pool,
        even.policy ?? '',
        `${even.workers}`,
        withSpread(even.p99),
        hashed ? withSpread(hashed.p99) : '',
      ]
    }),
    'A worker with more connections knows more of the requests; one with fewer knows less.',
  )
}

function manyText(rows: readonly Row[]): string {
  return section(
    `More and more requests per worker: ${counts.many.workers} workers`,
    'Backends that work on more requests at a time, so that each worker has more of them to count.',
    [
      'backends',
      'in use, %',
      'at a time',
      'in flight per backend and worker',
      'policy',
      'counts',
      'p50',
      'p99',
      'p99.9',
      'p99 : one line',
      'waited, %',
    ],
    rows.flatMap((row) =>
      row.policy === undefined
        ? []
        : [
            [
              row.pool,
              `${100 * row.utilisation}`,
              `${row.atOnce}`,
              (row.mean.median / counts.many.workers).toFixed(2),
              row.policy,
              countsOf(row),
              milliseconds(row.p50.median),
              withSpread(row.p99),
              withSpread(row.p999),
              ratio(row.beside),
              row.waited.median.toFixed(1),
            ],
          ],
    ),
    `Work alone, without any waiting, has a p99 of ${(-pools.work * Math.log(0.01)).toFixed(1)} ms.`,
  )
}

function countsOf({ policy, workers }: Row): string {
  if (policy === undefined) return '-'
  return workers === undefined ? 'one for all' : `each of ${workers}`
}

function withSpread({ median, least, most }: Figure): string {
  return `${milliseconds(median)} (${milliseconds(least)}-${milliseconds(most)})`
}

function ratio({ median }: Figure): string {
  return median.toFixed(2)
}
