import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FleetPlayed, playFleet } from '../../bench/fleet/play-fleet.js'
import { type FleetScene, type SceneName, scenes } from '../../bench/fleet/scenes.js'
import { type WayName, ways } from '../../bench/fleet/ways.js'
import { mean, percentile } from '../../bench/simulate/statistics.js'

const lateness = { interval: 200, delay: 5 }

/** Plays ten gateways in a scene that is cut short. */
function played(
  scene: SceneName,
  way: WayName,
  options: Partial<FleetScene> = {},
  gateways = 10,
): FleetPlayed {
  return playFleet({ ...scenes[scene], ...options }, ways[way], gateways, lateness, 1)
}

const short = { warmUp: 500, duration: 1500 }

for (const scene of Object.keys(scenes) as SceneName[]) {
  const options = scene === 'many' ? { warmUp: 50, duration: 100 } : short
  test(`${scenes[scene].name}: the same requests in each way, all answered, and each run the same`, () => {
    const own = played(scene, 'own', options)
    assert.ok(own.latencies.length > 0)
    assert.equal(own.held, 0)
    for (const way of ['one', 'last', 'published', 'leastwise'] as const) {
      const other = played(scene, way, options)
      assert.equal(other.held, 0, way)
      assert.deepEqual(other.works.toSorted(), own.works.toSorted(), way)
    }
    assert.deepEqual(played(scene, 'leastwise', options), played(scene, 'leastwise', options))
  })
}

test('a slow backend is found out by ten gateways together almost as by one', () => {
  const options = { warmUp: 5000, duration: 5000 }
  const p99 = (way: WayName) => percentile(played('slowOfTen', way, options).latencies, 99)
  const [own, leastwise, one] = [p99('own'), p99('leastwise'), p99('one')]
  assert.ok(leastwise < 0.6 * own, `${leastwise} beside ${own}`)
  assert.ok(leastwise < 1.2 * one, `${leastwise} beside ${one}`)
})

test('gateways that go by what was heard last run after each other, and those of leastwise do not', () => {
  const options = { warmUp: 5000, duration: 5000 }
  const p99 = (way: WayName) => percentile(played('busy', way, options).latencies, 99)
  const [own, leastwise, last, published] = [p99('own'), p99('leastwise'), p99('last'), p99('published')]
  assert.ok(leastwise < 1.03 * own, `${leastwise} beside ${own}`)
  assert.ok(last > 1.5 * own, `${last} beside ${own}`)
  assert.ok(published > 3 * own, `${published} beside ${own}`)
})

test('messages that take half a second make no herd of fifty gateways', () => {
  const scene = { ...scenes.equal, warmUp: 3000, duration: 3000 }
  const lost = (way: WayName) => {
    const { latencies, works } = playFleet(scene, ways[way], 50, { interval: 200, delay: 500 }, 1)
    return mean(latencies) - mean(works)
  }
  assert.ok(lost('leastwise') < 1.5 * lost('own'), `${lost('leastwise')} beside ${lost('own')}`)
})

test('two gateways with next to nothing to do use all backends', () => {
  const { busiest } = played('idle', 'leastwise', { warmUp: 2000, duration: 20_000 }, 2)
  assert.ok(busiest < 1.3, `${busiest}`)
})
