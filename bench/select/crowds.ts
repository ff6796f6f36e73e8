import { Balancer } from '../../src/balancer/balancer.js'
import type { Lease } from '../../src/balancer/leases/lease.js'
import { BUDGET_WINDOW_MS, Budget, hedgeAllowance } from '../../src/balancer/resilience/budget.js'
import { Hedging, type Wait } from '../../src/balancer/resilience/hedging.js'
import { SlidingCount } from '../../src/balancer/stats/sliding-count.js'
import { TestClock } from '../../test/support/clock.js'
import { seeded } from '../../test/support/random.js'

/** How many there are of something, when there are few and when there are many. */
export const FEW = 10
export const MANY = 1000
/** Backends where their number is not what is measured. */
const BACKENDS = 10
/** Milliseconds that pass with each request where time matters: that is 10,000 a second. */
const PACE_MS = 0.1

/** Steps after which there is nothing left to compile. */
const COMPILED = 20_000

/** What a request costs while there are many of something. */
export interface Crowd {
  /** Of what there are many. */
  readonly name: string
  /** Makes a pool with so many of them. @returns what is done for one request */
  readonly open: (count: number) => () => void
}

export const crowds: readonly Crowd[] = [
  { name: 'waiting POSTs', open: waitingPosts },
  { name: 'waiting hedges', open: waitingHedges },
  { name: 'joining backends', open: joiningBackends },
]

/** All backends are full; with each step one request is done, the first in line has its place, and a new one waits. */
function waitingPosts(count: number): () => void {
  const clock = new TestClock()
  const balancer = new Balancer({
    clock,
    random: seeded(count),
    backends: Array.from({ length: BACKENDS }, (_, i) => ({ url: `http://backend-${i}` })),
    maxConnections: 2,
    queueLimit: count,
    queueTimeout: 1e9,
  })
  const held: Lease[] = []
  const taker = {
    onLease: (lease: Lease) => void held.push(lease),
    onReject(error: Error) {
      throw error
    },
    repeatable: false,
  }
  for (let i = 0; i < 2 * BACKENDS + count; i++) balancer.lease(taker)
  const random = seeded(count)
  return () => {
    const place = Math.floor(random() * held.length)
    const lease = held[place] as Lease
    held[place] = held.at(-1) as Lease
    held.pop()
    lease.release('ok')
    balancer.lease(taker)
  }
}

/** With each step one of those that are waited for is answered, a new one is sent, and timers do what is due. */
function waitingHedges(count: number): () => void {
  const clock = new TestClock()
  const requests = new SlidingCount(BUDGET_WINDOW_MS, clock)
  const hedging = new Hedging(
    (count * PACE_MS) / 2,
    new Budget(hedgeAllowance(1), requests, new SlidingCount(BUDGET_WINDOW_MS, clock)),
    clock,
  )
  const refuse = () => false
  const send = () => hedging.expect(refuse) as Wait
  const waits = Array.from({ length: count }, send)
  const random = seeded(count)
  return () => {
    const place = Math.floor(random() * waits.length)
    waits[place]?.answered()
    waits[place] = send()
    clock.pass(PACE_MS)
  }
}

/** All backends but one have just joined. */
function joiningBackends(count: number): () => void {
  const clock = new TestClock()
  const random = seeded(count)
  const balancer = new Balancer({ clock, random, backends: ['http://first'], slowStart: 1e9 })
  balancer.registry.batch(() => {
    for (let i = 0; i < count; i++) balancer.registry.add({ url: `http://backend-${i}` })
  })
  const held = Array.from({ length: 2 * count }, () => balancer.acquire())
  return () => {
    const place = Math.floor(random() * held.length)
    held[place]?.release('ok')
    held[place] = balancer.acquire()
    clock.pass(PACE_MS)
  }
}

export interface CrowdRow {
  name: string
  /** Median nanoseconds of a request with few of them, and with many. */
  few: number
  many: number
  ratio: number
}

/** Measures each of them in turn, so that what else this machine does meets all alike. */
export async function measureCrowds(
  rounds: number,
  steps: number,
  signal: AbortSignal | undefined,
): Promise<CrowdRow[]> {
  const subjects = crowds.map(({ name, open }) => {
    return { name, few: { step: open(FEW), times: [] }, many: { step: open(MANY), times: [] } }
  })
  for (const { few, many } of subjects) for (const { step } of [few, many]) await timeOf(step, COMPILED)
  for (let round = 0; round < rounds; round++) {
    for (const { few, many } of subjects) {
      signal?.throwIfAborted()
      for (const { step, times } of [few, many] as Subject[]) times.push(await timeOf(step, steps))
    }
  }
  return subjects.map(({ name, few, many }) => {
    const row = { few: median(few.times), many: median(many.times) }
    return { name, ...row, ratio: row.many / row.few }
  })
}

interface Subject {
  step: () => void
  times: number[]
}

/** Nanoseconds. Who waited for a place hears of it in a microtask, so that there is one after each step. */
async function timeOf(step: () => void, steps: number): Promise<number> {
  const start = process.hrtime.bigint()
  for (let i = 0; i < steps; i++) {
    step()
    await undefined
  }
  return Number(process.hrtime.bigint() - start) / steps
}

function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}
