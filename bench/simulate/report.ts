import { policyNames } from '../../src/balancer/selection/policies/index.js'
import { published } from './published.js'
import { affinity } from './scenes/affinity.js'
import { healthy } from './scenes/healthy.js'
import { pauses } from './scenes/pauses.js'
import { slowDown } from './scenes/slow-down.js'
import { tunnels } from './scenes/tunnels.js'
import { milliseconds, section } from './section.js'
import type { Simulated } from './simulate.js'

/** All tables, each with what it shows and how it comes about. Milliseconds where nothing else is said. */
export function render(data: Simulated): string {
  return [
    slowDownText(data),
    pausesText(data),
    tunnelsText(data),
    affinityText(data),
    healthyText(data),
    ...published(data),
    `Seed ${data.seed}: another one gives other requests, and much the same figures.`,
  ].join('\n\n')
}

function slowDownText({ slowDown: { rows } }: Simulated): string {
  const { rate, workers, work, slowness, duration, from, to, rounds } = slowDown
  return section(
    'One backend of three turns slow',
    `Each has ${workers} workers of ${work} ms a request; ${rate} requests a second for ${duration / 1000} s, of which one
backend is ${slowness} times slower from second ${from / 1000} to ${to / 1000}. ${rounds} rounds. Nobody gives up.`,
    ['policy', 'p50', 'p99', 'p99.9', 'longest queue', 'shares while slow, %'],
    rows.map(({ policy, p50, p99, p999, longestQueue, shares }) => [
      policy,
      ...[p50, p99, p999].map(milliseconds),
      `${longestQueue}`,
      shares.map((share) => share.toFixed(0)).join(' / '),
    ]),
  )
}

function tunnelsText({ tunnels: rows }: Simulated): string {
  const { rate, workers, work, lifetime, duration, looked } = tunnels
  return section(
    'A backend joins two that have tunnels without traffic',
    `Each has ${workers} workers of ${work} ms a request on average; ${rate} requests a second, least-connections, no slow start. Tunnels
last ${lifetime / 1000} s on average, and as many are opened. Requests of the first ${looked / 1000} s, tunnels after ${duration / 1000} s.`,
    [
      'tunnels each',
      'weight, %',
      'p50',
      'p99',
      'most at a time',
      'share of the third, %',
      'its tunnels, % of even',
    ],
    rows.map(({ count, weight, p50, p99, most, share, even }) => [
      `${count}`,
      `${weight}`,
      ...[p50, p99].map(milliseconds),
      `${most}`,
      share.toFixed(0),
      even.toFixed(0),
    ]),
  )
}

function affinityText({ affinity: { rows, moved }, requests }: Simulated): string {
  const { backends, workers, work, utilisation, keys } = affinity
  return [
    section(
      'Requests with keys',
      `${backends} backends of ${workers} workers, exponential work of ${work} ms on average, ${100 * utilisation} % of it in use; ${requests} requests
of ${keys} keys. The n-th of the Zipf keys has a part of the requests in proportion to 1/n.`,
      [
        'keys',
        'method',
        'p50',
        'p99',
        'most at a time',
        'busiest backend, %',
        'not on the backend of most, %',
      ],
      rows.map((row) => [
        row.keys,
        row.method,
        ...[row.p50, row.p99].map(milliseconds),
        `${row.mostInFlight}`,
        row.busiest.toFixed(1),
        row.elsewhere.toFixed(1),
      ]),
    ),
    section(
      'Keys that move',
      `Percent of ${keys} keys that have another backend when one of ${backends} leaves, and when another one joins.`,
      ['method', 'leaves', 'joins'],
      moved.map(({ method, leave, join }) => [method, leave.toFixed(1), join.toFixed(1)]),
    ),
  ].join('\n\n')
}

function pausesText({ pauses: rows }: Simulated): string {
  const { rate, workers, work, pause, every, after } = pauses
  return section(
    'Pauses, with and without hedging',
    `Three backends of ${workers} workers of ${work} ms, ${rate} requests a second. Each ${every / 1000} s another one stops for
${pause} ms. With hedging, a request without an answer after the ${after} of recent latencies is sent to
another backend as well, within the ceiling; the first answer wins.`,
    ['policy', 'ceiling', 'p50', 'p99', 'p99.9', 'more requests', 'longest queue'],
    rows.map(({ policy, budget, p50, p99, p999, hedges, longestQueue }) => [
      policy,
      budget ? `${budget} %` : '-',
      ...[p50, p99, p999].map(milliseconds),
      budget ? `${hedges.toFixed(1)} %` : '-',
      `${longestQueue}`,
    ]),
    `A ${after} is exceeded by one request in twenty even where all is well: those may have half of the ceiling, and
the other half is kept for what takes a quarter longer still.`,
  )
}

function healthyText({ healthy: { rows, bound }, requests }: Simulated): string {
  const { backends, gateways, workers, work, utilisation } = healthy
  const lines = (cell: (row: (typeof rows)[number]) => string, beside: (backends: number) => string[]) =>
    backends.flatMap((b) =>
      gateways.map((g) => [
        `${b}`,
        `${g}`,
        ...policyNames.map((policy) => {
          const row = rows.find((one) => one.backends === b && one.gateways === g && one.policy === policy)
          return row ? cell(row) : ''
        }),
        ...beside(b),
      ]),
    )
  const head = ['backends', 'gateways', ...policyNames]
  const limit = new Map(bound.map(({ backends, waitP99 }) => [backends, waitP99]))
  return [
    section(
      'Healthy pools: latency, p50 / p99 / p99.9',
      `Equal backends of ${workers} workers, exponential work of ${work} ms on average, ${100 * utilisation} % of it in use; ${requests}
requests a run, the first fifth not counted. Gateways know nothing of each other's requests.`,
      head,
      lines(
        ({ p50, p99, p999 }) => [p50, p99, p999].map(milliseconds).join(' / '),
        () => [],
      ),
    ),
    section(
      'Healthy pools: waiting for a worker, p99',
      `The part of it that a choice decides. The last column is the bound for all, one line before all
workers (Erlang C, computed).`,
      [...head, 'bound'],
      lines(
        ({ waitP99 }) => milliseconds(waitP99),
        (backends) => [milliseconds(limit.get(backends) ?? 0)],
      ),
    ),
    section(
      'Healthy pools: longest queue, and requests of the busiest backend in fair shares',
      '',
      head,
      lines(
        ({ longestQueue, busiest }) => `${longestQueue}, ${busiest.toFixed(2)}`,
        () => [],
      ),
      `Each of ${most(gateways)} gateways sends each of ${most(backends)} backends about ${(requests / (most(gateways) * most(backends))).toFixed(0)} requests in such a run:
they hardly get to know them.`,
    ),
  ].join('\n\n')
}

function most(numbers: readonly number[]): number {
  return Math.max(...numbers)
}
