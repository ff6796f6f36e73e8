import Table from 'cli-table3'
import type { LoadResult } from './load.js'

export interface Row {
  policy: string
  result: LoadResult
  /** Requests that arrived at each backend, by its id. */
  arrived: Map<string, number>
}

/** One table for all that was measured. */
export function render(rows: Row[]): string {
  const ids = [...(rows[0]?.arrived.keys() ?? [])]
  const table = new Table({
    head: ['policy', 'p50', 'p99', 'max', 'errors', ...ids.map((id) => `share ${id}`)],
    colAligns: ['left', ...Array(4 + ids.length).fill('right')],
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
      ...ids.map((id) => `${((100 * (arrived.get(id) ?? 0)) / total).toFixed(1)} %`),
    ])
  }
  return table.toString()
}

function milliseconds(microseconds: number): string {
  return `${(microseconds / 1000).toFixed(microseconds < 100_000 ? 1 : 0)} ms`
}
