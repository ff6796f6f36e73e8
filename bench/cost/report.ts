import Table from 'cli-table3'
import type { CostResult } from './cost.js'
import { goals, median, ratio } from './goals.js'
import { names } from './rivals.js'

const short: Record<string, string> = { [names.raw]: 'dispatch' }

/** A table of what each rival costs, and the goals. */
export function report(result: CostResult): string {
  const { cores, connections, rate, rounds, duration, rows, missing } = result
  const where = cores ? `on core ${cores.gateway}, the load on core ${cores.load}` : 'not pinned to a core'
  const how = rate === undefined ? 'as many requests as each answers' : `${rate} requests a second to each`
  const beside = [names.raw, names.httpProxy, names.caddy].filter((name) =>
    rows.some((row) => row.name === name),
  )
  const table = new Table({
    head: ['', 'µs', 'spread', 'req/s', 'core', ...beside.map((name) => `× ${short[name] ?? name}`)],
    colAligns: ['left', ...Array.from({ length: 4 + beside.length }, () => 'right' as const)],
    style: { head: [], border: [] },
  })
  for (const { name, cost, rate, busy } of rows) {
    table.push([
      name,
      median(cost).toFixed(1),
      `${Math.min(...cost).toFixed(1)}-${Math.max(...cost).toFixed(1)}`,
      Math.round(median(rate)),
      `${Math.round(100 * median(busy))} %`,
      ...beside.map((other) => ratio(result, name, other)?.toFixed(2)),
    ])
  }
  const late = rows.filter(({ late }) => late > 0).map(({ name, late }) => `${name}: ${late}`)
  return [
    `CPU time of the gateway's process for a proxied GET of 1 KB, ${where}.`,
    `${connections} kept connections, ${how}; median of ${rounds} rounds of ${duration / 1000} s each.`,
    table.toString(),
    `Fastify dispatch: a handler that hands the raw response to undici's Pool.dispatch, the least a proxy on both`,
    `can do; node:http dispatch is the same without Fastify. http-proxy: @fastify/http-proxy. leastwise: the`,
    `stand-alone gateway, three backends, active checks, ejection, queue, retries and hedging; its log goes to a local`,
    `socket, as under systemd, and is read on the load's core.`,
    ...(missing.length > 0 ? [`Not installed, so left out: ${missing.join(', ')}`] : []),
    ...(late.length > 0 ? [`Due while every connection was in use, and not sent: ${late.join(', ')}`] : []),
    ...goals(result).map(({ who, beside, atMost, ratio }) => {
      const goal = `${who} at most ${atMost.toFixed(2)} × ${beside}`
      if (ratio === undefined) return `left out  ${goal}: it is not installed`
      return `${ratio <= atMost ? 'holds    ' : 'missed   '} ${goal}: ${ratio.toFixed(2)}`
    }),
  ].join('\n')
}
