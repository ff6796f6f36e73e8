import { Balancer } from '../../../src/balancer/balancer.js'
import { seeded } from '../../../test/support/random.js'
import { LeasedRequest } from '../leased-request.js'
import { exponential } from '../scene.js'
import { Server } from '../server.js'
import { percentile } from '../statistics.js'
import { Timeline } from '../timeline.js'

/**
 * Two backends with tunnels through which nothing passes, a third one that joins with none, and requests besides: what
 * should a quiet tunnel count in a choice? All times in milliseconds.
 */
export const tunnels = {
  rate: 800,
  workers: 4,
  work: 10,
  /** Tunnels of each of the two. */
  counts: [70, 700, 7000],
  /** What a quiet one counts, in percent of a request. */
  weights: [100, 10, 5, 2, 1, 0],
  /** Of a tunnel, on average; as many are opened as are closed. */
  lifetime: 60_000,
  /** After the third one has joined. */
  duration: 60_000,
  /** Of that, where requests are looked at. */
  looked: 10_000,
}

export interface TunnelsRow {
  count: number
  weight: number
  /** Of requests that were looked at, and their largest number on one backend. */
  p50: number
  p99: number
  most: number
  /** The part of those requests that went to the third backend, in percent. */
  share: number
  /** The tunnels of the third backend in the end, in percent of a third of all. */
  even: number
}

export function playTunnels(seed: number): TunnelsRow[] {
  const { counts, weights } = tunnels
  return counts.flatMap((count) => weights.map((weight) => playOne(count, weight, seed)))
}

function playOne(count: number, weight: number, seed: number): TunnelsRow {
  const { rate, workers, work, lifetime, duration, looked } = tunnels
  const timeline = new Timeline()
  const random = seeded(seed)
  const balancer = new Balancer({
    clock: timeline,
    random: seeded(seed + 1),
    slowStart: 0,
    tunnelWeight: weight,
    backends: ['a', 'b'].map((id) => ({ url: `http://${id}`, id })),
  })
  const { registry } = balancer
  const servers = new Map(['a', 'b', 'c'].map((id) => [id, new Server(timeline, workers)]))
  const latencies: number[] = []
  let most = 0
  let asked = 0
  let third = 0

  const repeat = (mean: number, act: () => void) => {
    const gap = exponential(mean)
    const happening = {
      happen() {
        if (timeline.now() >= duration) return
        act()
        timeline.plan(timeline.now() + gap(random), happening)
      },
    }
    timeline.plan(gap(random), happening)
  }
  const openTunnel = () =>
    balancer.lease({
      upgrade: true,
      onReject() {},
      onLease(lease) {
        lease.answered(timeline.now())
        lease.switched()
        const closed = timeline.now() + exponential(lifetime)(random)
        if (closed < duration) timeline.plan(closed, { happen: () => lease.release('ok') })
      },
    })
  const request = () => {
    const lease = balancer.acquire()
    const { backend } = lease
    const counts = timeline.now() < looked
    if (counts) {
      most = Math.max(most, backend.inFlight - backend.leases.tunnels)
      asked++
      if (backend.id === 'c') third++
    }
    const server = servers.get(backend.id) as Server
    const done = (latency: number) => {
      if (counts) latencies.push(latency)
    }
    server.take(new LeasedRequest(timeline, server, exponential(work)(random), lease, done))
  }
  for (let i = 0; i < 2 * count; i++) openTunnel()
  registry.add({ url: 'http://c', id: 'c' })
  repeat(1000 / rate, request)
  repeat(lifetime / (2 * count), openTunnel)
  timeline.run()
  const all = registry.list().reduce((sum, { leases }) => sum + leases.tunnels, 0)
  const row = {
    count,
    weight,
    p50: percentile(Float64Array.from(latencies), 50),
    p99: percentile(Float64Array.from(latencies), 99),
    most,
    share: (100 * third) / asked,
    even: (100 * registry.get('c').leases.tunnels) / (all / 3),
  }
  balancer.close()
  return row
}
