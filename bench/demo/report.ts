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
    head: ['policy', 'p50', 'p99', 'max', 'errors', `share ${ids.join(' / ')}`],
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

/** How each policy comes by its choice, as the reader has just seen. */
const ways: Record<string, string> = {
  'round-robin': 'asks each in turn, however slow it is',
  'least-connections': 'sees that requests pile up at a slow one',
  'least-response-time': 'also counts how long responses take',
}

/** What the reader saw: a sentence for each policy, in lines of 80 columns. */
export function tell(rows: Row[]): string {
  return rows.map((row) => fold(`- ${sentence(row)}`)).join('\n')
}

function sentence({ policy, result, arrived }: Row): string {
  const [slow = '', asked = 0] = [...arrived].at(-1) ?? []
  const total = [...arrived.values()].reduce((a, b) => a + b, 0)
  const errors = result.failed + result.timedOut
  const share = Math.round((100 * asked) / total)
  const failed = errors === 0 ? 'no client' : `${errors} of ${result.sent} clients`
  const late = milliseconds(result.latency.percentile(99))
  return (
    `${policy} ${ways[policy]}: the slow backend ${slow} got ${share} % of all requests, ` +
    `${failed} got an error, and one in a hundred waited ${late} ms or longer.`
  )
}

/** Breaks a text between words. */
function fold(text: string): string {
  let width = 0
  return text.replaceAll(/ ?(\S+)/g, (piece, word: string) => {
    if (width + piece.length > 80) {
      width = 2 + word.length
      return `\n  ${word}`
    }
    width += piece.length
    return piece
  })
}

function milliseconds(microseconds: number): string {
  return (microseconds / 1000).toFixed(microseconds < 100_000 ? 1 : 0)
}
