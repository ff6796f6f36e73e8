import { seeded } from '../../test/support/random.js'
import { exponential } from '../simulate/scene.js'
import { Server } from '../simulate/server.js'
import { Timeline } from '../simulate/timeline.js'
import { FleetGateway, urlOf } from './fleet-gateway.js'
import { LateExchange, type Lateness } from './late-exchange.js'
import type { FleetScene } from './scenes.js'
import type { Way } from './ways.js'

/** Milliseconds between two looks at a backend, and the number of looks. */
export const SAMPLE_INTERVAL_MS = 20
const SAMPLES = 200

/** What became of the requests that count. All times in milliseconds. */
export interface FleetPlayed {
  /** How long each took. */
  latencies: Float64Array
  /** What there was to do for each, on a backend of the usual speed. */
  works: Float64Array
  /** What the busiest backend was given, in its fair shares by weight. */
  busiest: number
  /** Requests on the first backend every {@link SAMPLE_INTERVAL_MS}, from the end of the warm-up on. */
  onFirst: number[]
  /** Leases that were held after the last answer: none, or something is wrong. */
  held: number
}

/**
 * Plays a scene with so many gateways, each of which is a real pool of leastwise. Every way meets the same requests: when
 * they come, at which gateway, and how much there is to do.
 */
export function playFleet(
  scene: FleetScene,
  way: Way,
  gateways: number,
  lateness: Lateness,
  seed: number,
): FleetPlayed {
  const { backends, work, draw, utilisation, warmUp, duration, joins, firstVanishes } = scene
  const timeline = new Timeline()
  const end = warmUp + duration
  const exchange = new LateExchange(timeline, lateness, end)
  const random = seeded(seed)
  const servers = backends.map(({ workers, slowness }) => {
    const server = new Server(timeline, workers)
    server.timeFor = (work) => work * slowness
    return server
  })
  const pools = Array.from({ length: way.isOne ? 1 : gateways }, (_, i) => {
    return new FleetGateway(`gateway-${i}`, scene, way, timeline, exchange, seeded(seed * 1000 + i + 1))
  })
  const latencies: number[] = []
  const works: number[] = []
  const given = backends.map(() => 0)
  const known = joins ? backends.slice(0, -1) : backends
  const capacity = known.reduce((sum, { workers, slowness }) => sum + workers / slowness, 0)
  const gap = exponential(work / (capacity * utilisation))

  if (joins) timeline.plan(warmUp, { happen: () => join(pools, servers, scene, timeline) })
  const onFirst: number[] = []
  for (let i = 0; i < SAMPLES; i++) {
    const look = { happen: () => onFirst.push(servers[0]?.inFlight ?? 0) }
    timeline.plan(warmUp + i * SAMPLE_INTERVAL_MS, look)
  }
  if (firstVanishes) timeline.plan(warmUp, { happen: () => pools[0]?.vanish() })
  const arrival = {
    happen() {
      const now = timeline.now()
      const gatewayRandom = random()
      const toDo = draw(random)
      if (now > end) return
      timeline.plan(now + gap(random), arrival)
      const gone = firstVanishes && now >= warmUp ? 1 : 0
      const number = gatewayOf(gatewayRandom, gateways, scene.firstShare, gone)
      const gateway = pools[way.isOne ? 0 : number] as FleetGateway
      const backend = gateway.handle(toDo, servers, (latency) => {
        if (now < warmUp) return
        latencies.push(latency)
        works.push(toDo)
      })
      if (now >= warmUp) given[backend] = (given[backend] as number) + 1
    },
  }
  timeline.plan(0, arrival)
  timeline.run()
  const weights = backends.reduce((sum, { weight }) => sum + weight, 0)
  const shares = given.map((count, i) => (count * weights) / (backends[i]?.weight ?? 1))
  let held = 0
  for (const { balancer } of pools) {
    held += balancer.registry.inFlight
    balancer.close()
  }
  return {
    latencies: Float64Array.from(latencies),
    works: Float64Array.from(works),
    busiest: Math.max(...shares) / given.reduce((sum, count) => sum + count, 0),
    onFirst,
    held,
  }
}

/** Returns the number of the gateway that a request comes to. */
function gatewayOf(random: number, gateways: number, firstShare = 1 / gateways, gone = 0): number {
  if (gone === 0 && random < firstShare) return 0
  const rest = gone > 0 ? random : (random - firstShare) / (1 - firstShare)
  return Math.min(gateways - 1, 1 + Math.floor(rest * (gateways - 1)))
}

/** Lets the last backend join at all gateways. */
function join(
  pools: readonly FleetGateway[],
  servers: readonly Server[],
  { joins, backends }: FleetScene,
  timeline: Timeline,
): void {
  const server = servers.at(-1)
  if (!server || !joins) return
  server.timeFor = (work) => work * joins.slowness
  timeline.after(joins.coldFor, () => {
    server.timeFor = (work) => work
  })
  const last = backends.length - 1
  for (const { balancer } of pools)
    balancer.registry.add({ url: urlOf(last), weight: backends[last]?.weight ?? 1 })
}
