import type { PoolSnapshot } from '../../admin/contract/pool-events.js'
import type { Rates } from './rates.js'

/** One line of a chart. */
export interface Series {
  label: string
  /** Name of the custom property in the style sheet that has the colour of the line. */
  color: string
  read(snapshot: PoolSnapshot, rates: Rates): number | null
  area?: boolean
}

export interface Chart {
  id: string
  series: Series[]
}

/** Returns the backends that had requests in the last five seconds. */
const busy = ({ backends }: PoolSnapshot, rates: Rates) =>
  backends.filter((backend) => rates.of(backend).requests > 0)

/**
 * Returns the mean of the backends' median response times in milliseconds, weighted by their requests; null if
 * there were no requests.
 */
function typicalOf(snapshot: PoolSnapshot, rates: Rates): number | null {
  let weight = 0
  let sum = 0
  for (const backend of busy(snapshot, rates)) {
    const { requests } = rates.of(backend)
    weight += requests
    sum += requests * backend.latency.p50
  }
  return weight === 0 ? null : sum / weight
}

function slowestOf(snapshot: PoolSnapshot, rates: Rates): number | null {
  const tails = busy(snapshot, rates).map(({ latency }) => latency.p99)
  return tails.length === 0 ? null : Math.max(...tails)
}

/** What the page of a pool draws. */
export const charts: readonly Chart[] = [
  {
    id: 'chart-rate',
    series: [
      {
        label: 'requests',
        color: '--line-a',
        area: true,
        read: (_, rates) => rates.latest?.requests ?? null,
      },
      { label: 'failed', color: '--line-bad', read: (_, rates) => rates.latest?.failures ?? null },
    ],
  },
  {
    id: 'chart-latency',
    series: [
      { label: 'p50, mean', color: '--line-a', read: typicalOf },
      { label: 'p99, slowest', color: '--line-b', read: slowestOf },
    ],
  },
  {
    id: 'chart-load',
    series: [
      { label: 'in flight', color: '--line-a', area: true, read: ({ pool }) => pool.inFlight },
      { label: 'waiting', color: '--line-b', read: ({ pool }) => pool.queue.length },
    ],
  },
]
