import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Backend } from '../../../src/balancer/backends/backend.js'
import type { Registry } from '../../../src/balancer/backends/registry.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import { AllFullError, BackendExistsError, NoBackendError } from '../../../src/balancer/errors.js'
import type { PanicMode } from '../../../src/balancer/health/panic.js'
import type { Lease } from '../../../src/balancer/leases/lease.js'
import type { Outcome } from '../../../src/balancer/leases/outcome.js'
import type { BalancerOptions } from '../../../src/balancer/options.js'
import type { ConfigurableOptions } from '../../../src/balancer/pool-configuration.js'
import { policyNames } from '../../../src/balancer/selection/policies/index.js'
import { TestClock } from '../../support/clock.js'
import { seeded } from '../../support/random.js'

/** Milliseconds after which waiting requests are looked at again, as shares change with time. */
const LOOK = 100

/** A pool that is changed at random, and what an outside observer knows of it. */
class Watched {
  readonly clock = new TestClock()
  readonly balancer: Balancer
  readonly held: Lease[] = []
  readonly waiting: { leave: (() => void) | undefined; except: Set<Backend> }[] = []
  #added = 0
  /** The options that the pool has now, as far as they decide what it may do. */
  #maxPercent: number
  #panic: PanicMode = 'ejected'
  /** Since when each of them may have its whole share, as far as was looked. */
  readonly #whole = new Map<Backend, number>()

  constructor(options: BalancerOptions) {
    const backends = [0, 1, 2].map((i) => ({ url: `http://start${i}:1` }))
    this.balancer = new Balancer({ ...options, backends, clock: this.clock, random: seeded(5) })
    this.#maxPercent = options.ejectMaxPercent ?? 50
    for (const backend of this.backends) this.#whole.set(backend, Number.NEGATIVE_INFINITY)
  }

  get backends(): Backend[] {
    return this.balancer.registry.list()
  }

  backend(i: number): Backend | undefined {
    return this.backends[i % Math.max(1, this.backends.length)]
  }

  add(maxConnections: number): void {
    this.balancer.registry.add({ url: `http://added${++this.#added}:1`, maxConnections })
  }

  /** Who may be given a request, and is not full. */
  legal(except: ReadonlySet<Backend>): Backend[] {
    const active = this.backends.filter(({ state }) => state === 'active')
    const usable = active.filter(({ health }) => health === 'healthy' || health === 'unknown')
    const now = this.clock.date()
    const ejected = active.filter(({ health }) => health === 'ejected')
    const due = ejected.filter(({ ejectedUntil }) => (ejectedUntil as Date) <= now)
    const allowed = usable.length > 0 || this.#panic === 'off' ? [...usable, ...due] : ejected
    return allowed.filter((backend) => !backend.isFull && !except.has(backend))
  }

  acquire(except: Set<Backend>): void {
    const legal = this.legal(except)
    const usable = legal.filter(({ isUsable }) => isUsable)
    const full = new Set(this.backends.filter(({ isFull }) => isFull))
    try {
      const lease = this.balancer.acquire(except)
      assert.ok(legal.includes(lease.backend), `${JSON.stringify(lease.backend.view())} may not be chosen`)
      assert.ok(!full.has(lease.backend))
      this.held.push(lease)
    } catch (error) {
      if (!(error instanceof AllFullError || error instanceof NoBackendError)) throw error
      assert.deepEqual(usable, [], 'a pick exists whenever one is legal')
    }
  }

  wait(except: Set<Backend>): void {
    const waiter: Watched['waiting'][number] = { leave: undefined, except }
    const over = () => {
      const i = this.waiting.indexOf(waiter)
      if (i >= 0) this.waiting.splice(i, 1)
    }
    this.waiting.push(waiter)
    waiter.leave = this.balancer.lease({
      onLease: (lease) => {
        over()
        this.held.push(lease)
      },
      onReject: over,
      except: except.size > 0 ? except : undefined,
    })
  }

  /** The set of one backend, or of none. */
  only(i: number | null): Set<Backend> {
    const backend = i === null ? undefined : this.backend(i)
    return new Set(backend ? [backend] : [])
  }

  release(i: number, outcome: Outcome, answered: boolean): void {
    const lease = this.held[i % Math.max(1, this.held.length)]
    if (answered) lease?.answered(this.clock.now(), outcome === 'failed' ? 'failed' : 'ok')
    lease?.release(outcome)
  }

  leave(i: number): void {
    const waiter = this.waiting[i % Math.max(1, this.waiting.length)]
    if (!waiter) return
    this.waiting.splice(this.waiting.indexOf(waiter), 1)
    waiter.leave?.()
  }

  switchTo(policy: string): void {
    this.balancer.policy = policy
  }

  configure(options: ConfigurableOptions): void {
    const total = () => this.held.filter(({ held }) => held).length
    const before = total()
    const view = () => JSON.stringify([this.balancer.view(), this.backends.map((backend) => backend.view())])
    const was = view()
    try {
      this.balancer.configure(options)
    } catch (error) {
      // The id of a backend stays if the configuration gives it none any more, and cannot be given to another one.
      if (!(error instanceof BackendExistsError)) throw error
      assert.equal(view(), was, 'all or nothing')
      return
    }
    assert.equal(total(), before, 'no lease ends')
    this.#maxPercent = options.ejectMaxPercent ?? this.#maxPercent
    this.#panic = options.panic ?? this.#panic
  }

  check(): void {
    const { registry } = this.balancer
    const maxPercent = this.#maxPercent
    for (let i = this.held.length - 1; i >= 0; i--) if (!this.held[i]?.held) this.held.splice(i, 1)
    for (const backend of this.backends) {
      const count = this.held.filter((lease) => lease.backend === backend).length
      assert.equal(backend.inFlight, count, 'the count is the number of leases held')
      assert.ok(backend.inFlight >= 0)
    }
    assert.equal(
      registry.inFlight,
      this.backends.reduce((sum, { inFlight }) => sum + inFlight, 0),
    )
    for (const except of [undefined, this.only(0), new Set(this.backends.slice(1))]) {
      const others = registry.eligible.filter((backend) => !except?.has(backend))
      assert.equal(registry.hasEligible(except), others.length > 0)
      assert.equal(
        registry.hasRoom(except),
        others.some(({ isFull }) => !isFull),
      )
    }
    const pool = this.backends.filter(({ state, health }) => state === 'active' && health !== 'unhealthy')
    const ejected = pool.filter(({ health }) => health === 'ejected')
    assert.ok(100 * ejected.length <= maxPercent * pool.length, `${ejected.length} of ${pool.length} ejected`)
    assert.equal(this.balancer.view().queue.length, this.waiting.length)
    const now = this.clock.now()
    for (const backend of this.backends) {
      if (backend.share() < 1) this.#whole.delete(backend)
      else if (!this.#whole.has(backend)) this.#whole.set(backend, now)
    }
    // Waiting requests notice the end of a slow start when they are looked at next.
    const isFree = (backend: Backend) => backend.isUsable && (this.#whole.get(backend) ?? now) + LOOK <= now
    for (const { except } of this.waiting) {
      const free = this.legal(except).filter(isFree)
      assert.deepEqual(free, [], 'nobody waits while there is something for him')
    }
    for (const backend of registry.eligible) assert.equal(backend.state, 'active')
  }
}

type Step = (pool: Watched) => void

const which = fc.nat(9)
const size = fc.nat(3)
const verdict = fc.constantFrom('healthy' as const, 'unhealthy' as const, 'unknown' as const)
const outcome = fc.constantFrom('ok' as const, 'failed' as const, 'failed' as const, 'cancelled' as const)

/** A step that is printed as what it does. */
const named = (name: string, step: Step): Step => Object.assign(step, { [fc.toStringMethod]: () => name })

/** A step that changes a backend, if there is one. */
const toOne = (name: string, act: (registry: Registry, id: string) => void) =>
  which.map((i) =>
    named(`${name} ${i}`, (pool) => {
      const backend = pool.backend(i)
      if (backend) act(pool.balancer.registry, backend.id)
    }),
  )
const step = <T>(name: string, argument: fc.Arbitrary<T>, act: (pool: Watched, argument: T) => void) =>
  argument.map((value) => named(`${name} ${value}`, (pool) => act(pool, value)))

/** Another configuration: some of the options, and some of these backends. */
const configuration: fc.Arbitrary<ConfigurableOptions> = fc.record(
  {
    backends: fc.uniqueArray(
      fc.record(
        {
          url: fc.nat(4).map((i) => `http://start${i}:1`),
          id: fc.nat(4).map((i) => `given${i}`),
          weight: fc.integer({ min: 1, max: 3 }),
          maxConnections: size,
        },
        { requiredKeys: ['url'] },
      ),
      // Two backends cannot have one id.
      { comparator: (one, other) => one.url === other.url || (one.id !== undefined && one.id === other.id) },
    ),
    policy: fc.constantFrom(...policyNames),
    maxConnections: size,
    queueLimit: fc.nat(6),
    queueTimeout: fc.constantFrom(500, 2000, 4000),
    slowStart: fc.constantFrom(0, 1000, 3000),
    ejectConsecutive: fc.integer({ min: 1, max: 3 }),
    ejectBase: fc.constantFrom(500, 1000),
    ejectMax: fc.constantFrom(1000, 3000),
    ejectMaxPercent: fc.constantFrom(0, 34, 50, 100),
    failureDecay: fc.constantFrom(0, 1000, 10_000),
    panic: fc.constantFrom('off' as const, 'ejected' as const),
    healthInitial: fc.constantFrom('usable' as const, 'unusable' as const),
    drainTimeout: fc.constantFrom(500, 1500),
    tunnelWeight: fc.constantFrom(0, 50, 100),
    affinity: fc.constantFrom('off', 'on'),
    hedge: fc.constantFrom('off' as const, 'p95' as const, 20),
  },
  { requiredKeys: [] },
)

const steps: [weight: number, fc.Arbitrary<Step>][] = [
  [8, step('acquire, not on', fc.option(which), (pool, not) => pool.acquire(pool.only(not)))],
  [4, step('wait, not for', fc.option(which), (pool, not) => pool.wait(pool.only(not)))],
  [8, step('release', fc.tuple(which, outcome, fc.boolean()), (pool, how) => pool.release(...how))],
  [1, step('leave', which, (pool, i) => pool.leave(i))],
  [1, step('add', size, (pool, limit) => pool.add(limit))],
  [1, toOne('drain', (registry, id) => registry.drain(id))],
  [1, toOne('activate', (registry, id) => registry.activate(id))],
  [1, toOne('remove', (registry, id) => registry.remove(id))],
  [1, toOne('cut', (registry, id) => registry.remove(id, { force: true }))],
  [1, verdict.chain((found) => toOne(found, (registry, id) => registry.setHealth(id, found)))],
  [
    1,
    size.chain((limit) =>
      toOne(`limit ${limit}`, (registry, id) => registry.update(id, { maxConnections: limit })),
    ),
  ],
  [
    1,
    size.chain((weight) =>
      toOne(`weight ${weight}`, (registry, id) => registry.update(id, { weight: weight + 1 })),
    ),
  ],
  [3, step('pass', fc.nat(4000), (pool, time) => pool.clock.pass(time))],
  [
    2,
    configuration.map((options) =>
      named(`configure ${fc.stringify(options)}`, (pool) => pool.configure(options)),
    ),
  ],
  [1, step('switch to', fc.constantFrom(...policyNames), (pool, name) => pool.switchTo(name))],
]
const anyStep = fc.oneof(...steps.map(([weight, arbitrary]) => ({ weight, arbitrary })))

for (const policy of policyNames) {
  test(`${policy}: every rule holds after every step of a random history`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0, 34, 50, 100),
        fc.array(anyStep, { minLength: 50, maxLength: 200 }),
        async (ejectMaxPercent, taken) => {
          const pool = new Watched({
            policy,
            ejectMaxPercent,
            ejectConsecutive: 2,
            ejectBase: 1000,
            ejectMax: 3000,
            queueLimit: 5,
            queueTimeout: 2000,
            slowStart: 3000,
            drainTimeout: 1500,
            maxConnections: 2,
          })
          for (const take of taken) {
            take(pool)
            // The next waiting request gets its lease in a microtask.
            await new Promise(setImmediate)
            pool.check()
          }
          for (const lease of [...pool.held]) lease.release('ok')
          await new Promise(setImmediate)
          // The longest time that a request may wait.
          pool.clock.pass(4000)
          await new Promise(setImmediate)
          for (const lease of [...pool.held]) lease.release('ok')
          assert.equal(pool.balancer.view().inFlight, 0)
          pool.balancer.close()
          assert.equal(pool.clock.pending, 0, 'no timer is left')
        },
      ),
      { numRuns: 300, ...(process.env.SEED && { seed: Number(process.env.SEED) }) },
    )
  })
}
