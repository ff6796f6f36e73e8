import { balls } from './scenes/balls.js'
import { linkerd } from './scenes/linkerd.js'
import { supermarket } from './scenes/supermarket.js'
import { type TowerFigures, tower } from './scenes/tower.js'
import { milliseconds, section } from './section.js'
import type { Simulated } from './simulate.js'

/** Tables of scenes that others have measured or computed before, beside their figures. */
export function published(data: Simulated): string[] {
  return [linkerdText(data), towerText(data), ballsText(data), supermarketText(data)]
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
