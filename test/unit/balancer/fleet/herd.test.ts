import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../../../src/balancer/balancer.js'
import { ElsewhereCounts } from '../../../../src/balancer/fleet/elsewhere-counts.js'
import type { Lease } from '../../../../src/balancer/leases/lease.js'
import { TestClock } from '../../../support/clock.js'
import { seeded } from '../../../support/random.js'

const STEP_MS = 4
const STEPS = 1600
/** How often each gateway tells its counts. */
const TELL_INTERVAL_MS = 200
const BACKENDS = 10
const MEAN_DURATION_MS = 20
/** Requests that begin in each step at all gateways together: 6 are in flight on each backend, on average. */
const REQUESTS_PER_STEP = (6 * BACKENDS * STEP_MS) / MEAN_DURATION_MS
/** One backend is slow from the first of these steps to the last, and another one joins in the middle. */
const SLOW_FROM = STEPS / 4
const JOINS_AT = STEPS / 2
const SLOW_TO = (STEPS * 3) / 4

/** Gateways with real pools, which hear of each other late, and backends that work on all their requests at once. */
class Fleet {
  readonly clock = new TestClock()
  readonly inFlight = new Map<string, number>()
  readonly chosen: string[] = []
  readonly #random: () => number
  readonly #gateways: { balancer: Balancer; elsewhere: ElsewhereCounts }[]
  /** The leases that end in each step. */
  readonly #ends = new Map<number, Lease[]>()

  constructor(gateways: number, seed: number) {
    this.#random = seeded(seed)
    const backends = Array.from({ length: BACKENDS }, (_, i) => `http://b${i}:1`)
    this.#gateways = Array.from({ length: gateways }, (_, i) => {
      const random = seeded(seed * 1000 + i)
      const balancer = new Balancer({ clock: this.clock, random, slowStart: 0, backends })
      return { balancer, elsewhere: new ElsewhereCounts(this.clock, balancer.parts.loadElsewhere) }
    })
  }

  /** Requests in flight, for each backend that has them, on average. */
  get mean(): number {
    const counts = [...this.inFlight.values()]
    return counts.reduce((sum, count) => sum + count, 0) / counts.length
  }

  join(url: string): void {
    for (const { balancer } of this.#gateways) balancer.registry.add({ url })
  }

  tell(step: number): void {
    for (const [i, { balancer }] of this.#gateways.entries()) {
      const phase = Math.floor((i * TELL_INTERVAL_MS) / STEP_MS / this.#gateways.length)
      if (step % (TELL_INTERVAL_MS / STEP_MS) !== phase) continue
      const backends = balancer.registry.list()
      const urls = backends.map(({ url }) => url)
      const inFlight = backends.map((backend) => backend.inFlight)
      for (const other of this.#gateways) {
        if (other.balancer !== balancer) other.elsewhere.heard({ gateway: `${i}`, urls, inFlight, quiet: [] })
      }
    }
  }

  begin(step: number, slowdownOf: (url: string) => number): void {
    const gateway = Math.floor(this.#random() * this.#gateways.length)
    const lease = (this.#gateways[gateway] as { balancer: Balancer }).balancer.acquire()
    const { url } = lease.backend
    const duration = -Math.log(1 - this.#random()) * MEAN_DURATION_MS * slowdownOf(url)
    const end = step + Math.max(1, Math.round(duration / STEP_MS))
    const ending = this.#ends.get(end)
    if (ending) ending.push(lease)
    else this.#ends.set(end, [lease])
    this.inFlight.set(url, (this.inFlight.get(url) ?? 0) + 1)
    this.chosen.push(url)
  }

  end(step: number): void {
    for (const lease of this.#ends.get(step) ?? []) {
      lease.answered(this.clock.now())
      lease.release('ok')
      const { url } = lease.backend
      this.inFlight.set(url, (this.inFlight.get(url) as number) - 1)
    }
    this.#ends.delete(step)
  }

  close(): void {
    for (const { balancer, elsewhere } of this.#gateways) {
      elsewhere.close()
      balancer.close()
    }
  }
}

/**
 * Plays a fleet.
 * @param slowdown how many times longer one backend takes while it is slow
 * @returns the backend that was chosen for each request; and the most that any backend had in flight at any time, as a
 *   multiple of its fair share, which is the mean of all at that time
 */
function play(gateways: number, slowdown: number, seed: number): { chosen: string[]; worst: number } {
  const fleet = new Fleet(gateways, seed)
  let worst = 0
  for (let step = 0; step < STEPS; step++) {
    fleet.clock.pass(STEP_MS)
    fleet.end(step)
    if (step === JOINS_AT) fleet.join('http://joined:1')
    fleet.tell(step)
    const isSlow = step >= SLOW_FROM && step < SLOW_TO
    for (let i = 0; i < REQUESTS_PER_STEP; i++) {
      fleet.begin(step, (url) => (isSlow && url === 'http://b0:1' ? slowdown : 1))
    }
    // The backends are still empty at the beginning.
    if (step < 50) continue
    worst = Math.max(worst, Math.max(...fleet.inFlight.values()) / fleet.mean)
  }
  fleet.close()
  return { chosen: fleet.chosen, worst }
}

for (const gateways of [2, 10, 40]) {
  for (const slowdown of [1, 10]) {
    const name = `${gateways} gateways, one backend ${slowdown} times slower, one that joins`
    test(`${name}: no backend ever has more than 3 times its fair share in flight`, () => {
      const played = [1, 2].map((seed) => play(gateways, slowdown, seed).worst)
      assert.ok(Math.max(...played) <= 3, `${played}`)
    })
  }
}

test('a fleet with the same seeds makes the same choices', () => {
  assert.deepEqual(play(3, 10, 5).chosen, play(3, 10, 5).chosen)
})
