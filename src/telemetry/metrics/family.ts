import type { Balancer } from '../../balancer/balancer.js'
import { BOUNDS, type Histogram } from './histogram.js'
import type { PoolCounters } from './request-counters.js'

/** A pool whose metrics are shown. */
export interface MeteredPool {
  name: string
  balancer: Balancer
  counters: PoolCounters
}

export type Labels = Record<string, string>

/** One line of the metrics page, in the form that the library takes. */
export interface Sample {
  /** The name of the line, where it differs from the family's name. */
  metricName?: string
  labels: Labels
  /** The labels that this line shares with others; the library formats each such object once. */
  sharedLabels: Labels
  value: number
}

/** All lines of one metric name. */
export interface Family<T = MeteredPool> {
  name: string
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  /** The lines of a pool, or of the routes of a gateway, in groups that belong together. */
  of(source: T): Iterable<Sample[]>
}

const NONE: Labels = Object.freeze({})

/** Makes one line. @param labels labels besides the shared ones */
export function sample(sharedLabels: Labels, value: number, labels = NONE): Sample {
  return { labels, sharedLabels, value }
}

const bounds: Labels[] = [...BOUNDS.map(String), '+Inf'].map((le) => ({ le }))

/** The lines of a histogram. */
export function histogram(name: string, sharedLabels: Labels, distribution: Histogram): Sample[] {
  const cumulative = distribution.cumulative()
  const bucket = `${name}_bucket`
  return [
    ...cumulative.map((value, i) => ({
      metricName: bucket,
      ...sample(sharedLabels, value, bounds[i]),
    })),
    { metricName: `${name}_sum`, ...sample(sharedLabels, distribution.sum) },
    { metricName: `${name}_count`, ...sample(sharedLabels, cumulative.at(-1) as number) },
  ]
}

/** Makes a line for each possible state: 1 for the present one, 0 for the others. */
export function states<T extends string>(
  sharedLabels: Labels,
  label: string,
  values: readonly T[],
  now: T,
): Sample[] {
  return values.map((value) => sample(sharedLabels, value === now ? 1 : 0, { [label]: value }))
}
