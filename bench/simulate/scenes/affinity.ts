import { Balancer } from '../../../src/balancer/balancer.js'
import type { Lease } from '../../../src/balancer/leases/lease.js'
import { hashText, SEED } from '../../../src/balancer/selection/affinity/key-hash.js'
import { seeded } from '../../../test/support/random.js'
import { LeasedRequest } from '../leased-request.js'
import { type Draw, exponential } from '../scene.js'
import { Server } from '../server.js'
import { type Percentiles, percentiles } from '../statistics.js'
import { Timeline } from '../timeline.js'

/** Requests of many keys over equal backends. All times in milliseconds. */
export const affinity = {
  backends: 10,
  workers: 20,
  work: 50,
  utilisation: 0.7,
  keys: 10_000,
  /** How many times its part by weight of all requests in flight a backend may have, in percent; 0 for any. */
  overloads: [125, 150, 200, 0],
}

/** How the backend of a request is found. */
export const methods = [
  'hash, modulo',
  ...affinity.overloads.map((overload) => (overload ? `affinity, ${overload} %` : 'affinity, no bound')),
  'least-connections',
] as const

export interface AffinityRow extends Percentiles {
  method: string
  /** `uniform`: each key as likely. `Zipf`: the n-th key with a probability in proportion to 1/n. */
  keys: 'uniform' | 'Zipf'
  /** Most requests in flight on one backend at any time, and the part of all requests that the busiest was given. */
  mostInFlight: number
  busiest: number
  /** Requests that another backend got than most of their key, in percent. */
  elsewhere: number
}

export interface MovedRow {
  method: string
  /** Keys that have another backend when one of them leaves, or another one joins, in percent. */
  leave: number
  join: number
}

export interface Affinity {
  rows: AffinityRow[]
  moved: MovedRow[]
}

export function playAffinity(seed: number, requests: number): Affinity {
  const rows = (['uniform', 'Zipf'] as const).flatMap((keys) =>
    methods.map((method) => playOne(method, keys, seed, requests)),
  )
  return { rows, moved: methods.filter((method) => method !== 'least-connections').map(playMoves) }
}

function idsOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `backend-${i}`)
}

function poolOf(method: string, ids: readonly string[], timeline: Timeline, seed: number): Balancer {
  const percent = /\d+/.exec(method)
  return new Balancer({
    clock: timeline,
    random: seeded(seed + 1),
    slowStart: 0,
    affinity: method.startsWith('affinity') ? 'key' : 'off',
    affinityOverload: percent ? Number(percent[0]) : 0,
    backends: ids.map((id) => ({ url: `http://${id}`, id })),
  })
}

/** Returns what takes a lease on the backend for a key. */
function chooser(method: string, balancer: Balancer): (key: string) => Lease {
  if (method !== 'hash, modulo') {
    return (key) => {
      let lease: Lease | undefined
      balancer.lease({ key, onLease: (given) => (lease = given), onReject() {} })
      return lease as Lease
    }
  }
  const backends = balancer.registry.list()
  // A backend is chosen by excluding all others.
  const others = backends.map((one) => new Set(backends.filter((other) => other !== one)))
  return (key) => balancer.acquire(others[(hashText(key, SEED) >>> 0) % backends.length])
}

function playOne(
  method: string,
  distribution: AffinityRow['keys'],
  seed: number,
  requests: number,
): AffinityRow {
  const { backends, workers, work, utilisation, keys } = affinity
  const timeline = new Timeline()
  const random = seeded(seed)
  const balancer = poolOf(method, idsOf(backends), timeline, seed)
  const choose = chooser(method, balancer)
  const servers = new Map(idsOf(backends).map((id) => [id, new Server(timeline, workers)]))
  const keyAt = distribution === 'Zipf' ? zipf(keys) : (draw: () => number) => Math.floor(draw() * keys)
  const latencies = new Float64Array(requests)
  const given = new Map<number, Map<string, number>>()
  const gap = exponential(work / (backends * workers * utilisation))
  const workOf = exponential(work)
  let begun = 0
  const arrival = {
    happen() {
      const key = keyAt(random)
      const lease = choose(`key ${key}`)
      const { id } = lease.backend
      const counts = given.get(key) ?? new Map<string, number>()
      given.set(key, counts.set(id, (counts.get(id) ?? 0) + 1))
      const number = begun++
      const server = servers.get(id) as Server
      server.take(
        new LeasedRequest(timeline, server, workOf(random), lease, (time) => (latencies[number] = time)),
      )
      if (begun < requests) timeline.plan(timeline.now() + gap(random), arrival)
    },
  }
  timeline.plan(0, arrival)
  timeline.run()
  balancer.close()
  const all = [...servers.values()]
  const atHome = [...given.values()].reduce((sum, counts) => sum + Math.max(...counts.values()), 0)
  return {
    method,
    keys: distribution,
    ...percentiles(latencies),
    mostInFlight: Math.max(...all.map(({ mostInFlight }) => mostInFlight)),
    busiest: (100 * Math.max(...all.map(({ arrived }) => arrived))) / requests,
    elsewhere: 100 * (1 - atHome / requests),
  }
}

function playMoves(method: string): MovedRow {
  const { backends, keys } = affinity
  const homes = (ids: readonly string[]) => {
    const balancer = poolOf(method, ids, new Timeline(), 1)
    const choose = chooser(method, balancer)
    return Array.from({ length: keys }, (_, key) => {
      const lease = choose(`key ${key}`)
      lease.release('ok')
      return lease.backend.id
    })
  }
  const before = homes(idsOf(backends))
  const movedTo = (after: string[]) => (100 * after.filter((id, i) => id !== before[i]).length) / keys
  return {
    method,
    // The one that leaves is in the middle of the list.
    leave: movedTo(homes(idsOf(backends).toSpliced(backends / 2, 1))),
    join: movedTo(homes(idsOf(backends + 1))),
  }
}

/** Draws a number from 0 on, the n-th in proportion to 1/n. */
function zipf(count: number): Draw {
  const sums = new Float64Array(count)
  let sum = 0
  for (let i = 0; i < count; i++) {
    sum += 1 / (i + 1)
    sums[i] = sum
  }
  return (random) => {
    const drawn = random() * sum
    let [low, high] = [0, count - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] as number) <= drawn) low = middle + 1
      else high = middle
    }
    return low
  }
}
