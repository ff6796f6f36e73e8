import { median } from '../cost/goals.js'
import { table } from '../table.js'
import { type CoresResult, type CoresRow, difference, PEAK_CONNECTIONS } from './cores.js'
import { besideOne, goals } from './goals.js'

/** A table with a row for each number of workers, and the goals. */
export function report(result: CoresResult): string {
  const { rows, node, placement, processors, rounds, duration, connections } = result
  const where = {
    own: `Each worker has a core of ${placement.gateway?.join(', ')}; the load runs on ${placement.load?.join(', ')}.`,
    one: `All workers are on core ${placement.gateway?.[0]}; the load runs on ${placement.load?.[0]}.`,
    shared: `Gateway and load share ${processors} core${processors === 1 ? '' : 's'}, and the load gives way (nice 19).`,
  }[placement.sharing]
  const most = { own: Number.POSITIVE_INFINITY, one: 1, shared: processors }[placement.sharing]
  return [
    `CPU time of all threads of the gateway's process for a proxied GET, Node ${node.version}. ${where}`,
    `${connections} kept connections for each worker, as many requests as are answered; median of ${rounds} rounds of ${duration / 1000} s.`,
    '',
    costs(rows, most),
    '',
    memories(rows),
    '',
    'A core: requests a second for each core that a worker can have. Cores: how many the process used. Share: part of the',
    'requests that each worker had, which the kernel decides by connection. RSS: after the load; the second of two workers',
    `brings the thread that controls them. Peak: most requests that three equal backends had at a time, with ${PEAK_CONNECTIONS} clients, by`,
    'the count of the backends, in the round in which they differed most.',
    '',
    ...goals(result).map(({ text, value, reached, why }) => {
      const said = value === undefined ? text : `${text}: ${value}`
      if (reached === undefined) return `not judged ${said} (${why})`
      return `${reached ? 'reached   ' : 'missed    '} ${said}`
    }),
  ].join('\n')
}

function costs(rows: readonly CoresRow[], processors: number): string {
  return table(
    ['workers', 'µs', 'spread', '× 1', 'requests/s', '× 1', 'a core', 'cores'],
    rows.map((row) => [
      String(row.workers),
      median(row.cost).toFixed(1),
      `${Math.min(...row.cost).toFixed(1)}-${Math.max(...row.cost).toFixed(1)}`,
      besideOne(rows, row, 'cost')?.toFixed(2) ?? '',
      median(row.rate).toFixed(0),
      besideOne(rows, row, 'rate')?.toFixed(2) ?? '',
      (median(row.rate) / Math.min(row.workers, processors)).toFixed(0),
      median(row.busy).toFixed(2),
    ]),
  )
}

function memories(rows: readonly CoresRow[]): string {
  return table(
    ['workers', 'RSS MB', 'MB each further', 'share %', 'peak', 'differ by'],
    rows.map((row, i) => {
      const fewer = rows[i - 1]
      const further = fewer && (row.memory - fewer.memory) / (row.workers - fewer.workers)
      return [
        String(row.workers),
        megabytes(row.memory),
        further === undefined ? '' : megabytes(further),
        row.shares?.map((share) => (100 * share).toFixed(0)).join(' / ') ?? '',
        row.peaks.join(' / '),
        String(difference(row.peaks)),
      ]
    }),
  )
}

function megabytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1)
}
