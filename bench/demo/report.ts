import Table from 'cli-table3'
import type { LoadResult } from '../rig/load.js'

export interface Row {
  policy: string
  result: LoadResult
  /** Requests that arrived at each backend, by its id. */
  arrived: Map<string, number>
}

/** One table for all that was measured, no wider than 80 columns. */
export function render(rows: Row[]): string {
  const ids = [...(rows[0]?.arrived.keys() ?? [])]
  const table = new Table({
    head: ['policy', 'p50 ms', 'p99 ms', 'max ms', 'errors', `share ${ids.join(' / ')}`],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const { policy, result, arrived } of rows) {
    const { latency, sent, failed, timedOut } = result
    const total = [...arrived.values()].reduce((a, b) => a + b, 0)
    table.push([
      policy,
      milliseconds(latency.percentile(50)),
      milliseconds(latency.percentile(99)),
      milliseconds(latency.max),
      `${failed + timedOut} of ${sent}`,
      ids.map((id) => Math.round((100 * (arrived.get(id) ?? 0)) / total)).join(' / '),
    ])
  }
  return table.toString()
}

function milliseconds(microseconds: number): string {
  return (microseconds / 1000).toFixed(microseconds < 100_000 ? 1 : 0)
}
