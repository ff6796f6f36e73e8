import { Backend } from '../../src/balancer/backends/backend.js'
import { Balancer } from '../../src/balancer/balancer.js'
import { Lease } from '../../src/balancer/leases/lease.js'
import type { BalancerOptions } from '../../src/balancer/options.js'
import { systemClock } from '../../src/balancer/time/clock.js'
import { seeded } from '../../test/support/random.js'

/** Requests in flight for each backend, on average. */
export const IN_FLIGHT = 2
/** Weights of a mixed pool go round from 1 to this. */
export const HEAVIEST = 8
/** Draws are made before time is taken; so many, and then the same again. */
const DRAWN = 1 << 16

/** A pool under a steady load: with each step one request, any of those in flight, is answered and a new one comes. */
export interface Churn {
  run(steps: number): void
  /** Choices alone, without what comes before and after. */
  pick(times: number): void
}

/**
 * Choices by a policy.
 * @param isShared true if the counts are in memory that threads share
 */
export function choices(policy: string, size: number, mixed: boolean, isShared: boolean): Churn {
  const options = {
    policy,
    random: seeded(size),
    backends: Array.from({ length: size }, (_, i) => ({
      url: `http://backend-${i}`,
      weight: mixed ? 1 + (i % HEAVIEST) : 1,
    })),
  }
  const balancer = isShared ? memberOf(options) : new Balancer(options)
  const { selector } = balancer
  return churn(
    size,
    () => balancer.acquire(),
    () => selector.pick(),
  )
}

/** A worker of a pool that threads share, in this thread. */
function memberOf({ random, ...options }: BalancerOptions): Balancer {
  const worker = new Balancer({ ...options, random, workers: 2 }).workers?.connect()
  return new Balancer({ random, shared: worker?.handle })
}

/** The same without a choice or a pool: the next backend's lease, opened and given back. */
export function leasesAlone(size: number): Churn {
  const backends = Array.from({ length: size }, (_, i) => {
    return new Backend(`${i}`, new URL(`http://backend-${i}`), undefined, new Date(0))
  })
  let next = 0
  const acquire = () => {
    const backend = backends[next] as Backend
    next = next + 1 === size ? 0 : next + 1
    return Lease.open(backend, systemClock.now(), backend.counter.claim(Number.POSITIVE_INFINITY, undefined))
  }
  return churn(size, acquire, () => {})
}

function churn(size: number, acquire: () => Lease, pick: () => void): Churn {
  const held = Array.from({ length: size * IN_FLIGHT }, acquire)
  const random = seeded(size + 1)
  const drawn = Uint32Array.from({ length: DRAWN }, () => Math.floor(random() * held.length))
  let step = 0
  return {
    run(steps) {
      for (let i = 0; i < steps; i++) {
        const place = drawn[step++ % DRAWN] as number
        const lease = held[place] as Lease
        lease.answered(systemClock.now())
        lease.release('ok')
        held[place] = acquire()
      }
    },
    pick(times) {
      for (let i = 0; i < times; i++) pick()
    },
  }
}
