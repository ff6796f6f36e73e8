import { bars } from '../plot/bars.js'
import { lines, type Series } from '../plot/lines.js'
import { type Fleet, fleet, rowFor } from './fleet.js'
import { SAMPLE_INTERVAL_MS } from './play-fleet.js'
import type { SceneName } from './scenes.js'
import type { WayName } from './ways.js'

/** Pictures of what was simulated, by file name, as SVG. */
export function pictures(data: Fleet): Map<string, string> {
  return new Map([
    ['fleet-herd.svg', herd(data)],
    ['fleet-intervals.svg', byInterval(data)],
    ['fleet-slow.svg', byGateways(data)],
    ['fleet-scenes.svg', byScene(data)],
  ])
}

const simulated = 'Simulated with the pools of leastwise'

/** What each way is called in the pictures, and the number of its colour. */
const called: Partial<Record<WayName, [name: string, style: number]>> = {
  published: ['counts as heard', 3],
  last: ['own count and counts as heard', 1],
  own: ['own count alone', 0],
  ownTwo: ['own count, two choices', 4],
  leastwise: ['leastwise: own count and averages', 2],
  one: ['one exact count', 5],
}

function herd(data: Fleet): string {
  return lines({
    title: 'Why counts of others must not be taken as they come',
    subtitle: `Requests on one of ten equal backends, before ten gateways that tell each other every ${fleet.interval} ms\nwhat they have in flight. An equal part is about 3 requests. ${simulated}.`,
    x: { name: 'seconds', min: 0, max: 4 },
    y: { name: 'requests on the backend', min: 0 },
    series: (['published', 'last', 'leastwise'] as const).map((way) => ({
      ...seriesOf(way),
      points: rowFor(data, { scene: 'equal', way }).onFirst.map((count, i) => [
        (i * SAMPLE_INTERVAL_MS) / 1000,
        count,
      ]),
    })),
  })
}

function byInterval(data: Fleet): string {
  return lines({
    title: 'The longer ago the others were heard: response time',
    subtitle: `Ten backends that take one request of 10 ms at a time, 70 % in use, before ten gateways. ${simulated}.\n99th percentile by the time between two messages of a gateway; in leastwise that is ${fleet.interval} ms.`,
    x: { name: 'milliseconds between two messages', log: true, min: 10, max: 2000 },
    y: { name: 'p99', log: true, min: 10, format: milliseconds },
    series: (['published', 'last', 'own', 'leastwise', 'one'] as const).map((way) => ({
      ...seriesOf(way),
      dots: true,
      points: fleet.intervals.map((interval) => [
        interval,
        rowFor(data, { scene: 'oneAtATime', way, interval }).p99,
      ]),
    })),
  })
}

function byGateways(data: Fleet): string {
  return lines({
    title: 'One of ten backends is ten times slower: response time',
    subtitle: `99th percentile by number of gateways. Each of them has to find out about the slow backend for itself,\nor they tell each other every ${fleet.interval} ms what they have in flight. ${simulated}.`,
    x: { name: 'gateways', log: true, base: 2, min: 2, max: 50 },
    y: { name: 'p99', log: true, min: 100, format: milliseconds },
    series: (['ownTwo', 'own', 'last', 'leastwise', 'one'] as const).map((way) => ({
      ...seriesOf(way),
      dots: true,
      points: fleet.numbers.map((gateways) => [
        gateways,
        rowFor(data, { scene: 'slowOfTen', way, gateways }).p99,
      ]),
    })),
  })
}

const groups: [scene: SceneName, name: string][] = [
  ['busy', 'equal,\n90 % in use'],
  ['oneAtATime', 'equal, one\nat a time'],
  ['many', '250 backends,\n5 ms'],
  ['slowOfTen', 'one of ten\nis slow'],
  ['joins', 'a cold one\njoins'],
  ['unequal', 'workers\n1 : 2 : 4'],
]

function byScene(data: Fleet): string {
  return bars({
    title: 'Ten gateways: response time beside that of own counts alone',
    subtitle: `99th percentile, in that of gateways of which each counts for itself: less than 1 is better, more is worse.\nThey tell each other every ${fleet.interval} ms what they have in flight. ${simulated}.`,
    groups: groups.map(([, name]) => name),
    y: { name: 'p99 beside own counts', min: 0, format: (value) => value.toFixed(2) },
    series: (['last', 'leastwise', 'one'] as const).map((way) => ({
      name: seriesOf(way).name,
      values: groups.map(
        ([scene]) => rowFor(data, { scene, way }).p99 / rowFor(data, { scene, way: 'own' }).p99,
      ),
    })),
  })
}

function seriesOf(way: WayName): Pick<Series, 'name' | 'style'> {
  const [name, style] = called[way] ?? [way, 0]
  return { name, style }
}

function milliseconds(value: number): string {
  return value < 1000 ? `${value} ms` : `${value / 1000} s`
}
