import { mean, percentile } from '../simulate/statistics.js'
import { type FleetPlayed, playFleet } from './play-fleet.js'
import { type FleetScene, type SceneName, scenes } from './scenes.js'
import { type Way, type WayName, ways } from './ways.js'

export const fleet = {
  gateways: [2, 10, 50],
  /** Milliseconds between two messages of a gateway where nothing else is said, and how long a message takes. */
  interval: 200,
  delay: 5,
  rounds: 3,
  /** Milliseconds between messages where they are compared. */
  intervals: [10, 50, 200, 500, 1000, 2000],
  /** Numbers of gateways where they are compared. */
  numbers: [2, 5, 10, 20, 50],
  /** Milliseconds that a message takes on slow links. */
  delays: [500, 750, 1000],
}

/** Gateways that choose in one way, in one scene. */
export interface FleetCase {
  readonly scene: SceneName
  readonly way: WayName
  readonly gateways: number
  readonly interval: number
  readonly delay: number
}

/** What became of the requests, in milliseconds: medians of the rounds. */
export interface FleetRow extends FleetCase {
  p99: number
  mean: number
  /** Mean time beyond what there was to do: waiting, and work on a slower backend. */
  lost: number
  /** What the busiest backend was given, in its fair shares. */
  busiest: number
  /** Requests on the first backend over time, in the first round. */
  onFirst: number[]
}

export interface Fleet {
  seed: number
  rows: FleetRow[]
}

export interface FleetOptions {
  /** The first of the seeds; the same gives the same figures. */
  seed: number
  /** Asked between runs. */
  signal?: AbortSignal
  onProgress?: (done: number, total: number, what: string) => void
}

/** Plays all cases. */
export async function playAll({ seed, signal, onProgress }: FleetOptions): Promise<Fleet> {
  const cases = allCases()
  const rows: FleetRow[] = []
  for (const one of cases) {
    rows.push(rowOf(one, seed))
    onProgress?.(rows.length, cases.length, scenes[one.scene].name)
    // Lets a signal be heard.
    await new Promise((resolve) => setImmediate(resolve))
    signal?.throwIfAborted()
  }
  return { seed, rows }
}

/** Returns the row of a case; for a way that hears nobody that of any interval, and of one exact count for any number. */
export function rowFor(
  { rows }: Fleet,
  wanted: Partial<FleetCase> & Pick<FleetCase, 'scene' | 'way'>,
): FleetRow {
  const key = keyOf(caseOf(wanted))
  const row = rows.find((row) => keyOf(row) === key)
  if (!row) throw new Error(`no such case was played: ${key}`)
  return row
}

function allCases(): FleetCase[] {
  const { gateways, intervals, numbers, delays } = fleet
  const names = Object.keys(scenes) as SceneName[]
  const all: (Partial<FleetCase> & Pick<FleetCase, 'scene' | 'way'>)[] = []
  for (const scene of names)
    for (const number of gateways)
      for (const way of ['one', 'own', 'ownTwo', 'last', 'leastwise'] as const)
        all.push({ scene, way, gateways: number })
  for (const scene of ['equal', 'busy', 'slowOfTen'] as const)
    for (const way of ['blind', 'lastTwo', 'leastwiseTwo'] as const) all.push({ scene, way })
  for (const delay of delays)
    for (const number of gateways)
      for (const way of ['last', 'leastwise'] as const)
        all.push({ scene: 'busy', way, gateways: number, delay })
  for (const scene of ['equal', 'busy', 'oneAtATime'] as const)
    for (const interval of intervals)
      for (const way of ['last', 'published', 'leastwise'] as const) all.push({ scene, way, interval })
  for (const number of numbers)
    for (const way of ['own', 'ownTwo', 'last', 'leastwise'] as const)
      all.push({ scene: 'slowOfTen', way, gateways: number })
  const unlike = new Map(all.map(caseOf).map((one) => [keyOf(one), one]))
  return [...unlike.values()]
}

/** Fills in what is usual, and leaves out what makes no difference. */
function caseOf(one: Partial<FleetCase> & Pick<FleetCase, 'scene' | 'way'>): FleetCase {
  const { scene, way, gateways = 10, interval = fleet.interval, delay = fleet.delay } = one
  const { isOne = false, listen }: Way = ways[way]
  const lateness = listen ? { interval, delay } : { interval: fleet.interval, delay: fleet.delay }
  return { scene, way, gateways: isOne ? 1 : gateways, ...lateness }
}

function keyOf({ scene, way, gateways, interval, delay }: FleetCase): string {
  return `${scene} ${way} ${gateways} ${interval} ${delay}`
}

function rowOf(one: FleetCase, seed: number): FleetRow {
  const scene: FleetScene = scenes[one.scene]
  const { rounds = fleet.rounds } = scene
  const played = Array.from({ length: rounds }, (_, i) =>
    playFleet(scene, ways[one.way], one.gateways, one, seed + i),
  )
  const figure = (of: (played: FleetPlayed) => number) => median(played.map(of))
  return {
    ...one,
    p99: figure(({ latencies }) => percentile(latencies, 99)),
    mean: figure(({ latencies }) => mean(latencies)),
    lost: figure(({ latencies, works }) => mean(latencies) - mean(works)),
    busiest: figure(({ busiest }) => busiest),
    onFirst: played[0]?.onFirst ?? [],
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number
}
