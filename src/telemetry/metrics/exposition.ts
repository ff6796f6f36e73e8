import { setImmediate } from 'node:timers/promises'
import { type Metric, Registry } from 'prom-client'
import type { Sample } from './family.js'
import { FamilyMetric } from './metrics.js'

/**
 * Number of lines that are made without a pause, which takes about a millisecond. Requests are served in the pauses.
 */
const LINES_PER_CHUNK = 1000

/** The metrics of a registry in Prometheus' text format, in chunks. */
export async function* exposition(registry: Registry): AsyncGenerator<string> {
  for (const metric of registry.getMetricsAsArray()) {
    if (metric instanceof FamilyMetric) yield* chunksOf(metric)
    else yield `${await registry.getSingleMetricAsString(metric.name)}\n`
  }
}

/** The lines of a family in chunks. Only the first chunk has the lines HELP and TYPE. */
async function* chunksOf(metric: FamilyMetric): AsyncGenerator<string> {
  let first = true
  for (const values of inChunks(metric.groups())) {
    const { name, help, type } = metric
    const scratch = new Registry()
    scratch.registerMetric({ name, get: async () => ({ name, help, type, values }) } as unknown as Metric)
    const text = await scratch.getSingleMetricAsString(name)
    yield `${first ? text : text.slice(endOfHead(text))}\n`
    first = false
    await setImmediate()
  }
}

function* inChunks(groups: Iterable<Sample[]>): Generator<Sample[]> {
  let values: Sample[] = []
  for (const group of groups) {
    for (const one of group) values.push(one)
    if (values.length < LINES_PER_CHUNK) continue
    yield values
    values = []
  }
  if (values.length > 0) yield values
}

/** The index at which the lines after `# HELP …` and `# TYPE …` begin. */
function endOfHead(text: string): number {
  return text.indexOf('\n', text.indexOf('\n') + 1) + 1
}
