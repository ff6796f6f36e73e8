import Table from 'cli-table3'
import { policyNames } from '../../src/balancer/selection/policies/index.js'
import { balls } from './scenes/balls.js'
import { healthy } from './scenes/healthy.js'
import { linkerd } from './scenes/linkerd.js'
import { pauses } from './scenes/pauses.js'
import { slowDown } from './scenes/slow-down.js'
import { supermarket } from './scenes/supermarket.js'
import { type TowerFigures, tower } from './scenes/tower.js'
import { tunnels } from './scenes/tunnels.js'
import type { Simulated } from './simulate.js'

/** All tables, each with what it shows and how it comes about. Milliseconds where nothing else is said. */
export function render(data: Simulated): string {
  return [
    slowDownText(data),
    pausesText(data),
    tunnelsText(data),
    healthyText(data),
    linkerdText(data),
    towerText(data),
    ballsText(data),
    supermarketText(data),
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

function pausesText({ pauses: rows }: Simulated): string {
  const { rate, workers, work, pause, every, after } = pauses
  return section(
    'Pauses, with and without second tries',
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

function linkerdText({ linkerd: rows }: Simulated): string {
  return section(
    `Linkerd, "${linkerd.title}" (2016)`,
    `${linkerd.url}
Eleven backends with a median of 167 ms, one of which takes 2 s from second 15 to 45; 1,000 requests a
second for a minute. Percent of the requests that were answered within a second.`,
    ['policy', 'published', 'published as', 'here', 'p95', 'p99', 'p99.9'],
    rows.map(({ policy, as, published, withinSecond, p95, p99, p999 }) => [
      policy,
      published === undefined ? '-' : `${published} %`,
      as ?? '-',
      `${withinSecond.toFixed(2)} %`,
      ...[p95, p99, p999].map(milliseconds),
    ]),
    `Published figures are read off the percentiles that were drawn (95, 99, 99.9 and so on): they are the
last one at which all was fast, so that the exact shares are higher. Round robin sends an eleventh of
the requests of half a minute to the slow backend, which is what is missing here.`,
  )
}

function towerText({ tower: rows }: Simulated): string {
  const cells = ({ p50, p90, p95, p99, p999, wall }: TowerFigures) => [
    ...[p50, p90, p95, p99, p999].map((value) => value.toFixed(0)),
    wall.toFixed(0),
  ]
  return section(
    `tower, ${tower.title} (2018)`,
    `${tower.url}
Ten endpoints that answer after up to 1, 10 (four), 100 (four) and 1,000 ms; 50,000 requests of 50 clients.`,
    ['policy', 'figures of', 'p50', 'p90', 'p95', 'p99', 'p99.9', 'seconds'],
    rows.flatMap(({ policy, published, ours }) => [
      [policy, 'here', ...cells(ours)],
      ...(published ? [['', published.as, ...cells(published)]] : []),
    ]),
    `An exact choice of the fewest requests in flight, or of the shortest time to wait, is free to leave
slow endpoints alone; two random choices are not, as both may be slow.`,
  )
}

function ballsText({ balls: { rows, published } }: Simulated): string {
  return section(
    `n balls into n bins: Mitzenmacher, "${balls.title}" (2001)`,
    `${balls.url}
n requests that never end, on n backends: requests of the fullest one, on average.`,
    ['policy', ...balls.bins.map((bins) => `n = ${bins}`)],
    [
      ...rows.map(({ policy, fullest }) => [policy, ...fullest.map(({ load }) => load.toFixed(2))]),
      ['published, random: ln n / ln ln n', ...published.map(({ random }) => random.toFixed(2))],
      ['published, two choices: ln ln n / ln 2', ...published.map(({ twoChoices }) => twoChoices.toFixed(2))],
    ],
    `The published terms hold up to a constant that they leave out, and that is not small: what is to be
compared is how a row grows. Who looks at all, or takes turns, puts one ball into each bin.`,
  )
}

function supermarketText({ supermarket: { rows, published } }: Simulated): string {
  const { title, url, backends, utilisations } = supermarket
  return section(
    `Mean time in the supermarket: Mitzenmacher, "${title}" (2001)`,
    `${url}
${backends} backends of one worker, exponential work with a mean of 1. The published figures are the limit for
infinitely many backends.`,
    ['policy', ...utilisations.map((utilisation) => `${100 * utilisation} % in use`)],
    [
      ...rows.map(({ policy, times }) => [policy, ...times.map(({ time }) => time.toFixed(2))]),
      ['published, random', ...published.map(({ random }) => random.toFixed(2))],
      ['published, shorter of two', ...published.map(({ twoChoices }) => twoChoices.toFixed(2))],
    ],
    `A finite pool is a little slower than the limit. Turns are better than chance because they space out
what each backend is given; who looks at more than two lines comes close to never waiting.`,
  )
}

function most(numbers: readonly number[]): number {
  return Math.max(...numbers)
}

function section(title: string, about: string, head: string[], rows: string[][], remark = ''): string {
  const table = new Table({
    head,
    // Words to the left, figures to the right.
    colAligns: head.map((_, i) => (rows.every((row) => /^[\d-]/.test(row[i] ?? '')) ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  })
  table.push(...rows)
  return [title, '='.repeat(title.length), about, table.toString(), remark].filter((part) => part).join('\n')
}

function milliseconds(value: number): string {
  return value.toFixed(value < 100 ? 1 : 0)
}
