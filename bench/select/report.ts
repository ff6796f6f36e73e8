import Table from 'cli-table3'
import { HEAVIEST, IN_FLIGHT } from './churn.js'
import { type CrowdRow, FEW, MANY } from './crowds.js'
import { type Goal, type Selected, SMALL } from './select.js'

export function render({ rounds, steps, rows, crowds, goals }: Selected): string {
  const sizes = rows[0]?.times.map(({ size }) => size) ?? []
  const lease = rows.find(({ policy }) => policy === undefined)
  const table = new Table({
    head: [
      'nanoseconds',
      'weights',
      ...sizes.map((size) => `${size}`),
      `${sizes.at(-1)} : ${SMALL}`,
      'bytes',
      'of pick',
    ],
    colAligns: ['left', 'left', ...sizes.map(() => 'right' as const), 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  for (const { policy, mixed, isShared, times, ratio, bytes, pickBytes } of rows) {
    table.push([
      isShared ? `${policy}, shared` : (policy ?? 'lease alone'),
      policy === undefined ? '-' : mixed ? `1 to ${HEAVIEST}` : 'equal',
      ...sizes.map((size) => times.find((time) => time.size === size)?.nanoseconds.toFixed(0) ?? '-'),
      times.length === sizes.length ? ratio.toFixed(1) : '-',
      policy === undefined || !lease ? bytes.toFixed(0) : `+${Math.max(0, bytes - lease.bytes).toFixed(0)}`,
      policy === undefined ? '-' : pickBytes.toFixed(0),
    ])
  }
  return `What a choice costs
===================
One request is answered and given back, and a backend is chosen and leased for a new one, by number of
backends. On average ${IN_FLIGHT} requests are in flight on each; which of them is answered was drawn before.
Medians of ${rounds} rounds, in which all take turns, of five times ${steps}; each policy in a thread of its own,
with a real clock. "Lease alone" is the same without a pool and a choice: what is in it, memory that is not in
the cache included, is not the policy's. Bytes are what the heap grows by, with ${SMALL} backends: beside those of
the lease, and those of the pick alone, 16 of which are the time that it reads from the clock. "Shared" is a pool of several threads.
${table.toString()}

What a request costs in a crowd
===============================
One request is done and another one comes, while so many others wait, or so many backends have just joined;
the microtask in which a request hears of its place is part of it.
${crowdTable(crowds)}
${goals.map(line).join('\n')}`
}

function crowdTable(crowds: readonly CrowdRow[]): string {
  const table = new Table({
    head: ['nanoseconds', `${FEW}`, `${MANY}`, `${MANY} : ${FEW}`],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  for (const { name, few, many, ratio } of crowds)
    table.push([name, few.toFixed(0), many.toFixed(0), ratio.toFixed(1)])
  return table.toString()
}

function line({ name, value, limit, holds }: Goal): string {
  return `goal ${holds ? 'holds ' : 'MISSED'}  ${name}: ${value.toFixed(1)}, at most ${limit}`
}
