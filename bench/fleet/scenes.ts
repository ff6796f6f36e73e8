import { constant, type Draw, exponential, lognormal, same } from '../simulate/scene.js'

/** A pool that several gateways balance at the same time. All times in milliseconds. */
export interface FleetScene {
  /** What the tables call it. */
  readonly name: string
  readonly backends: readonly FleetBackend[]
  /** Mean work on a request, and how it is drawn. */
  readonly work: number
  readonly draw: Draw
  /** The part of what all backends can do that is asked of them. */
  readonly utilisation: number
  /** The part of the requests that comes to the first gateway; the others share the rest. An equal part by default. */
  readonly firstShare?: number
  /** Time at the start that is played and not counted. */
  readonly warmUp: number
  /** Time after it of which all requests count. */
  readonly duration: number
  /** The last backend joins after the warm-up, so many times slower than it is later. */
  readonly joins?: { readonly slowness: number; readonly coldFor: number; readonly slowStart: number }
  /** The first gateway vanishes after the warm-up, with all that it says. */
  readonly firstVanishes?: boolean
  /** How often it is played, with other requests each time; three times by default. */
  readonly rounds?: number
}

export interface FleetBackend {
  /** Requests that it works on at a time. */
  readonly workers: number
  /** How many times longer than usual it takes. */
  readonly slowness: number
  readonly weight: number
}

const usual: FleetBackend = { workers: 4, slowness: 1, weight: 1 }
const slow: FleetBackend = { ...usual, slowness: 10 }

/** What most scenes have in common. */
const ten: FleetScene = {
  name: '',
  backends: same(10, usual),
  work: 20,
  draw: exponential(20),
  utilisation: 0.7,
  warmUp: 8000,
  duration: 20_000,
}

const joining: FleetScene = {
  ...ten,
  name: 'a cold one joins',
  joins: { slowness: 5, coldFor: 5000, slowStart: 0 },
  duration: 6000,
}

/**
 * Requests that last a second on average, with a heavy tail: half of them take less than a third of a second, and one in a
 * hundred more than ten.
 */
const TAIL = 1.5

/** All scenes. */
export const scenes = {
  equal: { ...ten, name: 'ten equal backends, 70 % in use' },
  busy: { ...ten, name: 'ten equal backends, 90 % in use', utilisation: 0.9 },
  /** As in https://github.com/haproxy/haproxy/issues/178: a gateway has fewer requests in flight than there are backends. */
  many: {
    ...ten,
    name: '250 backends, weights 1 to 4, 5 ms',
    backends: Array.from({ length: 250 }, (_, i) => ({
      workers: 1 + (i % 4),
      slowness: 1,
      weight: 1 + (i % 4),
    })),
    work: 5,
    draw: exponential(5),
    warmUp: 2000,
    duration: 3000,
    rounds: 1,
  },
  slowOfTen: { ...ten, name: 'one of ten is 10 times slower', backends: [...same(9, usual), slow] },
  slowOf25: {
    ...ten,
    name: 'one of 25 is 10 times slower',
    backends: [...same(24, usual), slow],
    duration: 10_000,
  },
  joins: joining,
  joinsSlowly: {
    ...joining,
    name: 'a cold one joins, slow start',
    joins: { slowness: 5, coldFor: 5000, slowStart: 10_000 },
  },
  long: {
    ...ten,
    name: 'requests of 1 s, heavy tail',
    backends: same(10, { ...usual, workers: 20 }),
    work: 1000,
    draw: lognormal(1000 * Math.exp((-TAIL * TAIL) / 2), TAIL),
    utilisation: 0.85,
    warmUp: 20_000,
    duration: 200_000,
    rounds: 1,
  },
  uneven: { ...ten, name: 'one gateway has 80 % of the requests', firstShare: 0.8 },
  vanishes: { ...ten, name: 'a gateway vanishes', firstVanishes: true, duration: 6000 },
  few: { ...ten, name: 'three backends', backends: same(3, usual), duration: 40_000 },
  oneAtATime: {
    ...ten,
    name: 'ten that take one request at a time',
    backends: same(10, { ...usual, workers: 1 }),
    work: 10,
    draw: exponential(10),
  },
  unequal: {
    ...ten,
    name: 'workers 1 : 2 : 4, equal weights',
    backends: Array.from({ length: 10 }, (_, i) => ({ ...usual, workers: 2 ** (i % 3) })),
  },
  idle: {
    ...ten,
    name: 'ten equal backends, 1 % in use',
    utilisation: 0.01,
    draw: constant(20),
    duration: 60_000,
  },
} satisfies Record<string, FleetScene>

export type SceneName = keyof typeof scenes
