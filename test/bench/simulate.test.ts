import assert from 'node:assert/strict'
import { test } from 'node:test'
import { erlangMean } from '../../bench/simulate/erlang.js'
import { type Played, play } from '../../bench/simulate/play.js'
import { exponential, type Scene, same } from '../../bench/simulate/scene.js'
import { affinity, methods, playAffinity } from '../../bench/simulate/scenes/affinity.js'
import { healthyScene } from '../../bench/simulate/scenes/healthy.js'
import { pausesScene } from '../../bench/simulate/scenes/pauses.js'
import { slowDownScene } from '../../bench/simulate/scenes/slow-down.js'
import { Job, Server } from '../../bench/simulate/server.js'
import { mean, percentile } from '../../bench/simulate/statistics.js'
import { Timeline } from '../../bench/simulate/timeline.js'
import { policyNames } from '../../src/balancer/selection/policies/index.js'
import { seeded } from '../support/random.js'

const scenes: Record<string, Scene> = {
  'a healthy pool before five gateways': healthyScene(10, 5, 5000),
  'a slow backend': slowDownScene(),
  pauses: { ...pausesScene(0), requests: 5000 },
  'pauses with hedging': { ...pausesScene(5), requests: 5000 },
  clients: {
    backends: same(3, { workers: 1 }),
    gateways: 2,
    requests: 2000,
    load: { clients: 9 },
    work: exponential(5),
  },
}

for (const [name, scene] of Object.entries(scenes)) {
  for (const policy of policyNames) {
    test(`${name}, ${policy}: every request is answered once, every lease given back, every run the same`, () => {
      const played = play(scene, policy, 7)
      assert.equal(played.answered, scene.requests)
      assert.equal(played.held, 0)
      assert.equal(sum(played.arrived), scene.requests + played.hedges)
      assert.ok(played.latencies.every((latency, i) => latency >= (played.works[i] as number) - 1e-6))
      assert.deepEqual(play(scene, policy, 7), played)
      assert.notDeepEqual(play(scene, policy, 8).latencies, played.latencies)
    })
  }
}

test('every policy meets the same work', () => {
  const [one, ...others] = policyNames.map((policy) => play(healthyScene(10, 5, 1000), policy, 3))
  for (const other of others) assert.deepEqual(other.works, (one as Played).works)
})

for (const [workers, utilisation] of [
  [1, 0.5],
  [1, 0.8],
  [4, 0.8],
  [16, 0.9],
] as const) {
  test(`one backend of ${workers} workers at ${utilisation} agrees with Erlang's formula`, () => {
    const scene: Scene = {
      backends: [{ workers }],
      gateways: 1,
      requests: 400_000,
      warmUp: 20_000,
      load: { gap: exponential(10 / (workers * utilisation)) },
      work: exponential(10),
    }
    const expected = erlangMean(workers, utilisation, 10)
    const found = mean(play(scene, 'round-robin', 1).latencies)
    assert.ok(Math.abs(found / expected - 1) < 0.03, `${found} instead of ${expected}`)
  })
}

test('with one of three backends slow, least connections is far ahead of round robin', () => {
  const p99 = (policy: 'least-connections' | 'round-robin') =>
    percentile(play(slowDownScene(), policy, 1).latencies, 99)
  assert.ok(p99('least-connections') * 10 < p99('round-robin'))
})

test('with pauses, second tries take most of the tail, within their budget', () => {
  const without = play(pausesScene(0), 'least-connections', 1)
  const hedged = play(pausesScene(5), 'least-connections', 1)
  assert.ok(percentile(hedged.latencies, 99) * 2 < percentile(without.latencies, 99))
  assert.ok(hedged.hedges < 0.051 * hedged.answered, `${hedged.hedges}`)
})

test('what is planned happens in order of time, and of planning', () => {
  const timeline = new Timeline()
  const random = seeded(5)
  const planned = Array.from({ length: 2000 }, (_, order) => ({ at: Math.floor(random() * 300), order }))
  const happened: typeof planned = []
  for (const one of planned) timeline.plan(one.at, { happen: () => happened.push(one) })
  const cancel = timeline.after(150, () => assert.fail('it was cancelled'))
  cancel()
  timeline.run()
  assert.deepEqual(
    happened,
    planned.toSorted((a, b) => a.at - b.at || a.order - b.order),
  )
})

test('a pause stops the work at hand, what begins meanwhile, and one on top of it lasts as long as the later end', () => {
  const timeline = new Timeline()
  const server = new Server(timeline, 2)
  const ends: [string, number][] = []
  class TestJob extends Job {
    readonly #name: string
    constructor(name: string, work: number) {
      super(server, work)
      this.#name = name
    }
    done(): void {
      ends.push([this.#name, timeline.now()])
    }
  }
  const at = (time: number, happen: () => void) => timeline.plan(time, { happen })
  at(0, () => server.take(new TestJob('begun before', 10)))
  at(5, () => server.pause(100))
  at(50, () => server.take(new TestJob('came meanwhile', 3)))
  at(60, () => server.take(new TestJob('queued', 1)))
  const leaver = new TestJob('left the queue', 1)
  at(61, () => server.take(leaver))
  at(62, () => server.withdraw(leaver))
  at(80, () => server.pause(40))
  timeline.run()
  assert.deepEqual(ends, [
    ['came meanwhile', 123],
    ['queued', 124],
    ['begun before', 125],
  ])
  assert.equal(server.longestQueue, 2)
})

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}

test('keys: affinity moves those of one backend, and keeps a busy key from filling one', () => {
  const { rows, moved } = playAffinity(7, 20_000)
  assert.equal(rows.length, 2 * methods.length)
  const even = 100 / affinity.backends
  for (const { method, leave, join } of moved) {
    if (method === 'hash, modulo') assert.ok(leave > 80 && join > 80, `${leave}, ${join}`)
    else assert.ok(Math.abs(leave - even) < 2 && Math.abs(join - even) < 2, `${leave}, ${join}`)
  }
  const zipf = new Map(rows.filter(({ keys }) => keys === 'Zipf').map((row) => [row.method, row]))
  const bounded = zipf.get('affinity, 125 %')?.mostInFlight ?? 0
  const unbounded = zipf.get('affinity, no bound')?.mostInFlight ?? 0
  assert.ok(bounded < 100 && unbounded > 300, `${bounded}, ${unbounded}`)
})
