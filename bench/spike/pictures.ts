import { bars } from '../plot/bars.js'
import { lines } from '../plot/lines.js'
import { STEP } from './outcome.js'
import type { ScenarioResult, SpikeResult } from './spike.js'

/** As many as can be told apart: leastwise in three ways, and the peers. */
const SHOWN = ['round-robin', 'least-connections', 'least-response-time', 'nginx', 'HAProxy', 'Caddy']
/** In the pauses it is hedging that is to be seen. */
const HEDGED = ['least-connections', 'least-connections, hedged', 'nginx', 'HAProxy', 'Caddy']

/** Pictures of what was measured, by file name, as SVG: of those scenarios that were played. */
export function pictures({ scenarios }: SpikeResult): Map<string, string> {
  const drawn = new Map<string, string>()
  for (const scenario of scenarios) {
    if (scenario.name === 'slow-down') {
      drawn.set('spike-slow-down-latency.svg', latency(scenario, SHOWN))
      drawn.set('spike-slow-down-shares.svg', shares(scenario, SHOWN))
    }
    if (scenario.name === 'pauses') drawn.set('spike-pauses-latency.svg', latency(scenario, HEDGED))
  }
  return drawn
}

function latency({ title, events, outcomes }: ScenarioResult, shown: readonly string[]): string {
  const of = outcomes.filter(({ contender }) => shown.includes(contender))
  const [from, to] = events
  return lines({
    title: 'What clients met, measured: p99 over time',
    subtitle: `${sentence(title)}\nOf the requests that were due in each quarter of a second.`,
    x: { name: 'seconds', min: 0 },
    y: { name: 'p99', log: true, min: 10, format: (value) => `${value} ms` },
    series: of.map(({ contender, timeline }) => ({
      name: contender,
      points: timeline.p99.flatMap((value, i) =>
        value === null ? [] : [[(i * STEP) / 1000, Math.round(value * 10) / 10] as const],
      ),
    })),
    // Where there is one thing that happens, and ends.
    ...(from &&
      to &&
      events.length === 2 && { area: { from: from.at / 1000, to: to.at / 1000, name: from.label } }),
  })
}

function shares({ title, outcomes }: ScenarioResult, shown: readonly string[]): string {
  const of = outcomes.filter(({ contender }) => shown.includes(contender))
  const parts = of.map(({ arrived }) => {
    const total = arrived.reduce((sum, count) => sum + count, 0)
    return arrived.map((count) => Math.round((1000 * count) / total) / 10)
  })
  return bars({
    title: 'Who got the requests, measured',
    subtitle: `${sentence(title)}\nShare of each backend over the whole time; the last one is the slow one.`,
    groups: of.map(({ contender }) => contender),
    y: { name: 'share of the requests', min: 0, max: 100, format: (value) => `${value} %` },
    stacked: true,
    series: ['backend a', 'backend b', 'backend c'].map((name, i) => ({
      name,
      values: parts.map((part) => part[i] ?? 0),
    })),
  })
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
