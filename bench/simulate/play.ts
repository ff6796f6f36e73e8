import type { PolicyName } from '../../src/balancer/selection/policies/index.js'
import { seeded } from '../../test/support/random.js'
import { Gateway, type Observer } from './gateway.js'
import type { Scene } from './scene.js'
import { Server } from './server.js'
import { Timeline } from './timeline.js'

/** What became of a scene under one policy. All times in milliseconds. */
export interface Played {
  policy: PolicyName
  /** When each request that counts was due, in that order. */
  due: Float64Array
  /** How long each took, from then to its answer. */
  latencies: Float64Array
  /** How much there was to do for each, on a backend that is as fast as it should be. */
  works: Float64Array
  /** The backend that each was given to first. */
  chosen: Uint16Array
  /** Answers, those of the warm-up included. */
  answered: number
  /** Requests that were sent to another backend as well. */
  hedges: number
  /** Jobs that each backend was given. */
  arrived: number[]
  /** Requests that had to wait for a worker of their backend although another backend had a free one. */
  waitedBesideFree: number
  /** Most that one backend had at any time, waiting or worked on. */
  mostInFlight: number
  /** Most that waited for a worker of one backend at any time. */
  longestQueue: number
  /** Leases that were still held after the last answer: none, or something is wrong. */
  held: number
  /** Until the last answer. */
  duration: number
}

/** Plays a scene. Every policy meets the same requests: when they come, where, and how much there is to do. */
export function play(scene: Scene, policy: PolicyName, seed: number): Played {
  const { requests, warmUp = 0, load, work } = scene
  const timeline = new Timeline()
  const servers = scene.backends.map(({ workers }) => new Server(timeline, workers))
  const counted = requests - warmUp
  const played: Played = {
    policy,
    due: new Float64Array(counted),
    latencies: new Float64Array(counted),
    works: new Float64Array(counted),
    chosen: new Uint16Array(counted),
    answered: 0,
    hedges: 0,
    arrived: [],
    waitedBesideFree: 0,
    mostInFlight: 0,
    longestQueue: 0,
    held: 0,
    duration: 0,
  }
  // A hedge is sent after the first try and must not pass for it.
  let sent = -1
  const observer: Observer = {
    sent({ number }, backend) {
      if (number <= sent) return
      sent = number
      if (number < warmUp) return
      played.chosen[number - warmUp] = backend
      if (servers[backend]?.isFull && servers.some(({ isFull }) => !isFull)) played.waitedBesideFree++
    },
    answered({ number, due, work }) {
      played.answered++
      if (number >= warmUp) {
        played.due[number - warmUp] = due
        played.works[number - warmUp] = work
        played.latencies[number - warmUp] = timeline.now() - due
      }
      if ('clients' in load) next()
    },
  }
  const gateways = Array.from({ length: scene.gateways }, (_, i) => {
    return new Gateway(scene, policy, timeline, servers, seeded(stream(seed, i + 1)), observer)
  })
  const gatewayOf = gatewaysOfConnections(scene, seeded(stream(seed, gateways.length + 1)))
  const random = seeded(stream(seed, 0))
  let begun = 0
  const next = () => {
    if (begun === requests) return
    const gateway = gateways[gatewayOf[Math.floor(random() * gatewayOf.length)] as number] as Gateway
    gateway.handle({ number: begun++, due: timeline.now(), work: work(random) })
  }
  for (const { at, happens } of scene.events ?? []) timeline.plan(at, { happen: () => happens(servers) })
  if ('clients' in load) {
    for (let i = 0; i < load.clients; i++) timeline.plan(0, { happen: next })
  } else {
    const arrival = {
      happen() {
        next()
        if (begun < requests) timeline.plan(timeline.now() + load.gap(random), arrival)
      },
    }
    timeline.plan(0, arrival)
  }
  timeline.run()
  played.duration = timeline.now()
  played.arrived = servers.map(({ arrived }) => arrived)
  played.mostInFlight = Math.max(...servers.map(({ mostInFlight }) => mostInFlight))
  played.longestQueue = Math.max(...servers.map(({ longestQueue }) => longestQueue))
  for (const { balancer, hedges } of gateways) {
    played.hedges += hedges
    played.held += balancer.registry.inFlight
    balancer.close()
  }
  return played
}

/** The gateway of each connection, from which requests are drawn; of each gateway one where there are none. */
function gatewaysOfConnections({ gateways, connections }: Scene, random: () => number): number[] {
  if (!connections) return Array.from({ length: gateways }, (_, i) => i)
  const { count, spread } = connections
  return Array.from({ length: count }, (_, i) =>
    spread === 'even' ? i % gateways : Math.floor(random() * gateways),
  )
}

/** A seed for each of the independent sequences of numbers that are drawn in a run. */
function stream(seed: number, number: number): number {
  return Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)
}
