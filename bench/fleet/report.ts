import { milliseconds, section } from '../simulate/section.js'
import { type Fleet, type FleetRow, fleet, rowFor } from './fleet.js'
import { type SceneName, scenes } from './scenes.js'
import { type WayName, ways } from './ways.js'

/** Two figures that differ by no more than this part count as the same. */
const TOLERANCE = 0.005

/** All tables, each with what it shows. */
export function render(data: Fleet): string {
  return [
    `Several gateways, each a pool of leastwise, send requests to the same backends, and tell each other every ${fleet.interval} ms what they
have in flight. A message takes ${fleet.delay} ms. Milliseconds where nothing else is said; medians of ${fleet.rounds} rounds. "One exact
count" is what nobody can have: every gateway knows of every request at once.`,
    ...fleet.gateways.map((gateways) => scenesText(data, gateways)),
    lostText(data),
    otherWaysText(data),
    intervalsText(data),
    latenessText(data),
    sharesText(data),
    `Seeds from ${data.seed} on: others give other requests, and much the same figures.`,
  ].join('\n\n')
}

const compared: readonly WayName[] = ['own', 'ownTwo', 'last', 'leastwise', 'one']
const sceneNames = Object.keys(scenes) as SceneName[]
const busyScenes = sceneNames.filter((scene) => scene !== 'idle')

function scenesText(data: Fleet, gateways: number): string {
  return section(
    `${gateways} gateways: p99, and in brackets beside own counts`,
    '',
    ['scene', ...compared.map((way) => ways[way].name)],
    busyScenes.map((scene) => {
      const own = rowFor(data, { scene, way: 'own', gateways })
      return [
        scenes[scene].name,
        ...compared.map((way) => beside(rowFor(data, { scene, way, gateways }), own)),
      ]
    }),
  )
}

function lostText(data: Fleet): string {
  return section(
    'Mean time lost: in line, and to slower backends',
    'Of own counts, leastwise, and one exact count.',
    ['scene', ...fleet.gateways.map((gateways) => `${gateways} gateways`)],
    busyScenes.map((scene) => [
      scenes[scene].name,
      ...fleet.gateways.map((gateways) =>
        (['own', 'leastwise', 'one'] as const)
          .map((way) => rowFor(data, { scene, way, gateways }).lost.toFixed(2))
          .join(' / '),
      ),
    ]),
  )
}

function otherWaysText(data: Fleet): string {
  const names: readonly WayName[] = ['blind', 'own', 'ownTwo', 'last', 'lastTwo', 'leastwiseTwo', 'leastwise']
  return section(
    '10 gateways that choose in other ways: p99',
    '',
    ['scene', ...names.map((way) => ways[way].name)],
    (['equal', 'busy', 'slowOfTen'] as const).map((scene) => [
      scenes[scene].name,
      ...names.map((way) => milliseconds(rowFor(data, { scene, way }).p99)),
    ]),
  )
}

function intervalsText(data: Fleet): string {
  return section(
    '10 gateways that say more or less often what they have: p99',
    '',
    ['scene', 'way', ...fleet.intervals.map((interval) => `${interval} ms`)],
    (['equal', 'busy', 'oneAtATime'] as const).flatMap((scene) =>
      (['own', 'last', 'published', 'leastwise', 'one'] as const).map((way) => [
        scenes[scene].name,
        ways[way].name,
        ...fleet.intervals.map((interval) => milliseconds(rowFor(data, { scene, way, interval }).p99)),
      ]),
    ),
    '"Published totals" go by what was said last, and "last heard" adds that to the exact count of the gateway itself.',
  )
}

function latenessText(data: Fleet): string {
  const scene = 'busy'
  return section(
    `Messages that are late: p99, and in brackets beside own counts (${scenes[scene].name})`,
    '',
    ['a message takes', 'way', ...fleet.gateways.map((gateways) => `${gateways} gateways`)],
    [fleet.delay, ...fleet.delays].flatMap((delay) =>
      (['last', 'leastwise'] as const).map((way) => [
        `${delay} ms`,
        ways[way].name,
        ...fleet.gateways.map((gateways) => {
          const own = rowFor(data, { scene, way: 'own', gateways })
          return beside(rowFor(data, { scene, way, gateways, delay }), own)
        }),
      ]),
    ),
  )
}

function sharesText(data: Fleet): string {
  return section(
    'What the busiest backend is given, in fair shares',
    '',
    ['scene', 'way', ...fleet.gateways.map((gateways) => `${gateways} gateways`)],
    (['idle', 'equal', 'few'] as const).flatMap((scene) =>
      (['own', 'leastwise', 'one'] as const).map((way) => [
        scenes[scene].name,
        ways[way].name,
        ...fleet.gateways.map((gateways) => rowFor(data, { scene, way, gateways }).busiest.toFixed(2)),
      ]),
    ),
  )
}

function beside({ p99 }: FleetRow, own: FleetRow): string {
  const ratio = p99 / own.p99
  return `${milliseconds(p99)} (${Math.abs(ratio - 1) < TOLERANCE ? '1' : ratio.toFixed(2)})`
}
