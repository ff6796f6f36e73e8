import { table } from '../table.js'
import type { CostResult, CostRow } from './cost.js'
import { goals, median, ratio, rowBeside } from './goals.js'
import { type KindName, kindOf } from './kinds.js'
import { names } from './rivals.js'

const besides = [names.raw, names.httpProxy, names.caddy]

/** A table for each kind of request, one with all kinds, and the goals. */
export function report(result: CostResult): string {
  const { cores, connections, rate, rounds, duration, rows, kinds, missing, mixed } = result
  const where = cores ? `on core ${cores.gateway}, the load on core ${cores.load}` : 'not pinned to a core'
  const how = rate === undefined ? 'as many requests as each answers' : `${rate} requests a second to each`
  const late = rows
    .filter((row) => row.late > 0)
    .map((row) => `${row.kind}, ${label(row, result)}: ${row.late}`)
  return [
    `CPU time of the gateway's process for a proxied request, ${where}.`,
    `${connections} kept connections, ${how}; median of ${rounds} rounds of ${duration / 1000} s each.`,
    ...(mixed ? ['Each process had requests of every kind before it was measured.'] : []),
    ...kinds.flatMap((kind) => ['', `## ${kind}: ${kindOf(kind).about}`, '', ofKind(kind, result)]),
    ...(kinds.length > 1 ? ['', '## µs for a request', '', ofAll(result)] : []),
    '',
    'node:http and Fastify alone: they read the request and answer it themselves, the floor of every proxy on them.',
    "Bare dispatch: a Fastify handler that gives the raw response to undici's Pool.dispatch. http-proxy:",
    '@fastify/http-proxy. leastwise: the stand-alone gateway, three backends, active checks, ejection, queue, retries',
    "and hedging; its log goes to a local socket, as under systemd, and is read on the load's core.",
    ...(missing.length > 0 ? [`Not installed, so left out: ${missing.join(', ')}`] : []),
    ...(late.length > 0 ? [`Due while every connection was in use, and not sent: ${late.join(', ')}`] : []),
    '',
    ...goals(result).map(({ kind, who, beside, atMost, node, ratio }) => {
      const on = result.nodes.length > 1 ? `, Node ${node}` : ''
      const goal = `${kind}: ${who} at most ${atMost.toFixed(2)} × ${beside}${on}`
      if (ratio === undefined) return `left out  ${goal}: it is not installed`
      return `${ratio <= atMost ? 'holds    ' : 'missed   '} ${goal}: ${ratio.toFixed(2)}`
    }),
  ].join('\n')
}

function ofKind(kind: KindName, result: CostResult): string {
  const rows = result.rows.filter((row) => row.kind === kind)
  const beside = besides.filter((name) => rows.some((row) => row.name === name))
  return table(
    ['', 'µs', 'spread', 'requests/s', 'core', ...beside.map((name) => `× ${name}`)],
    rows.map((row) => {
      const { cost, rate, busy } = row
      return [
        label(row, result),
        digits(median(cost)),
        `${digits(Math.min(...cost))}-${digits(Math.max(...cost))}`,
        digits(median(rate)),
        `${Math.round(100 * median(busy))} %`,
        ...beside.map((name) => {
          const other = rowBeside(rows, row, name)
          return other ? ratio(row, other).toFixed(2) : ''
        }),
      ]
    }),
  )
}

/** Rows are gateways, columns are kinds: µs, and for leastwise how that compares with others. */
function ofAll({ rows, kinds, ...rest }: CostResult): string {
  const first = rows.filter(({ kind }) => kind === kinds[0])
  const same = (row: CostRow) => (other: CostRow) => other.name === row.name && other.node === row.node
  const lines = first.flatMap((row) => {
    const ofRow = kinds.map((kind) => rows.find((one) => one.kind === kind && same(row)(one)) as CostRow)
    const costs = [label(row, rest), ...ofRow.map(({ cost }) => digits(median(cost)))]
    if (row.name !== names.silent) return [costs]
    const compared = besides.map((name) => [
      `× ${name}`,
      ...ofRow.map((one) => {
        const other = rowBeside(rows, one, name)
        return other ? ratio(one, other).toFixed(2) : ''
      }),
    ])
    return [costs, ...compared]
  })
  return table(['', ...kinds], lines)
}

/** With the version of Node, where there are several. */
function label({ name, node }: CostRow, { nodes }: Pick<CostResult, 'nodes'>): string {
  return node === undefined || nodes.length === 1 ? name : `${name}, Node ${node}`
}

/** As many as mean something. */
function digits(value: number): string {
  return value.toFixed(value < 100 ? 1 : 0)
}
