import { setImmediate } from 'node:timers/promises'
import { type Metric, Registry } from 'prom-client'
import type { Sample } from './family.js'
import { FamilyMetric } from './metrics.js'

/** Lines that are written at a stretch: about a millisecond. Requests are served in between. */
const STRETCH = 1000

/** The page of a registry, piece by piece. */
export async function* exposition(registry: Registry): AsyncGenerator<string> {
  for (const metric of registry.getMetricsAsArray()) {
    if (metric instanceof FamilyMetric) yield* piecesOf(metric)
    else yield `${await registry.getSingleMetricAsString(metric.name)}\n`
  }
}

/** A family of which each piece but the first is without the lines that say what it is. */
async function* piecesOf(metric: FamilyMetric): AsyncGenerator<string> {
  let first = true
  for (const values of stretches(metric.groups())) {
    const { name, help, type } = metric
    const scratch = new Registry()
    scratch.registerMetric({ name, get: async () => ({ name, help, type, values }) } as unknown as Metric)
    const text = await scratch.getSingleMetricAsString(name)
    yield `${first ? text : text.slice(endOfHead(text))}\n`
    first = false
    await setImmediate()
  }
}

function* stretches(groups: Iterable<Sample[]>): Generator<Sample[]> {
  let values: Sample[] = []
  for (const group of groups) {
    for (const one of group) values.push(one)
    if (values.length < STRETCH) continue
    yield values
    values = []
  }
  if (values.length > 0) yield values
}

/** After "# HELP ..." and "# TYPE ...". */
function endOfHead(text: string): number {
  return text.indexOf('\n', text.indexOf('\n') + 1) + 1
}
