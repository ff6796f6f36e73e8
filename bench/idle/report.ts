import { table } from '../table.js'
import type { Memory } from './gateway.js'
import type { Held, IdleResult } from './idle.js'

/** What the process takes at three moments, and what a connection adds to it. */
export function report({ before, both, upstream }: IdleResult): string {
  const sizes = ({ rss, heap, external }: Memory) => [rss, heap, external].map(megabytes)
  const each = (memory: Memory, count: number) =>
    [memory.rss - before.rss, memory.heap - before.heap].map((bytes) => kilobytes(bytes / count))
  const row = (name: string, { memory, backends, clients }: Held) => [
    name,
    ...sizes(memory),
    ...each(memory, backends + clients),
  ]
  const many = (count: number) => count.toLocaleString('en')
  return [
    table(
      ['', 'RSS MB', 'heap MB', 'outside MB', 'RSS KB each', 'heap KB each'],
      [
        ['warm, no connection of a client', ...sizes(before), '', ''],
        row(`${many(both.backends)} idle to backends, ${many(both.clients)} of clients`, both),
        row(`${many(upstream.backends)} idle to backends`, upstream),
      ],
    ),
    '',
    'After garbage collections. "Each" is what a connection adds to the first row. RSS keeps some of what the requests took',
    'that made these connections all at once. What the kernel holds for a connection is not in it.',
  ].join('\n')
}

function megabytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1)
}

function kilobytes(bytes: number): string {
  return (bytes / 2 ** 10).toFixed(1)
}
