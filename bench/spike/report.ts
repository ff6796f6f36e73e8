import Table from 'cli-table3'
import type { SpikeResult } from './spike.js'

/** All that was measured, as text. */
export function render(result: SpikeResult): string {
  const { seconds, rate, contenders, missing, scenarios, cpu } = result
  const versions = contenders.flatMap(({ name, version }) => (version ? [`${name} ${version}`] : []))
  const latest = Math.max(...scenarios.map(({ lateness }) => lateness.max))
  const late = Math.max(...scenarios.map(({ lateness }) => lateness.p99))
  const disturbed = scenarios.filter(({ disturbed }) => disturbed).map(({ name }) => name)
  return [
    `${rate} requests a second to each contender, ${seconds} s of each scenario, all side by side.`,
    'Latency in ms from when a request was due; one that its client gave up counts with the timeout, and is',
    'an error as are answers other than 200. Share: requests that reached each backend, in %, tries included.',
    `Peers: ${versions.join(', ') || 'none'}${missing.length > 0 ? `; not installed: ${missing.join(', ')}` : ''}.`,
    '',
    ...scenarios.map(({ name, title }) => `${name}: ${title}`),
    '',
    outcomes(result),
    '',
    goals(result),
    '',
    `99 % of the requests were sent at most ${late.toFixed(1)} ms after they were due, all at most ` +
      `${latest.toFixed(0)} ms; clients and backends took ${Math.round(100 * cpu)} % of one processor.`,
    ...(disturbed.length > 0
      ? [`The machine was busy with something else; little can be said of: ${disturbed.join(', ')}.`]
      : []),
  ].join('\n')
}

function outcomes({ scenarios }: SpikeResult): string {
  const table = new Table({
    head: ['scenario', 'contender', 'p50', 'p99', 'p99.9', 'max', 'errors', 'share'],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  for (const [i, { name, outcomes }] of scenarios.entries()) {
    if (i > 0) table.push([])
    for (const { contender, p50, p99, p999, max, failed, timedOut, sent, arrived } of outcomes) {
      const total = arrived.reduce((a, b) => a + b, 0)
      table.push([
        name,
        contender,
        milliseconds(p50),
        milliseconds(p99),
        milliseconds(p999),
        milliseconds(max),
        `${failed + timedOut} of ${sent}`,
        arrived.map((count) => Math.round((100 * count) / total)).join(' / '),
      ])
    }
  }
  return table.toString()
}

function goals({ goals }: SpikeResult): string {
  const table = new Table({
    head: ['goal', 'in this run', 'figures'],
    style: { head: [], border: [], compact: true },
  })
  for (const { goal, holds, figures } of goals)
    table.push([goal, holds === undefined ? 'not measured' : holds ? 'holds' : 'MISSED', figures])
  return table.toString()
}

function milliseconds(value: number): string {
  return value.toFixed(value < 100 ? 1 : 0)
}
