import type { TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Balancer } from '../../src/balancer/index.js'
import { openBalancer } from '../../src/balancer/state/open-balancer.js'
import { type RedisStore, redisStore } from '../../src/stores/redis/redis-store.js'
import type { RedisServer } from './redis-server.js'

export const SLOTS_KEY = '{leastwise}:slots'

/** Says to the store that it has been used before, so that nobody is waited for who may have slots. */
export async function used(server: RedisServer): Promise<void> {
  await server.command('HSET', SLOTS_KEY, 'fleet', '{"created":1,"grace":0}')
}

export interface SlotGateway {
  readonly balancer: Balancer
  readonly store: RedisStore
  isAlive: boolean
}

/** Gateways in one process that share a limit of one backend, which counts the requests that it has in flight. */
export class SlotGateways {
  readonly list: SlotGateway[] = []
  readonly #server: RedisServer
  readonly #limit: number
  /** Requests in flight by gateway. */
  readonly #inFlight = new Map<SlotGateway, number>()
  /** The largest number of requests that the backend has had in flight at once. */
  most = 0
  served = 0

  constructor(t: TestContext, server: RedisServer, limit: number) {
    this.#server = server
    this.#limit = limit
    t.after(async () => {
      for (const { balancer, store } of this.list) {
        await balancer.keeper?.close()
        balancer.close()
        await store.close()
      }
    })
  }

  get inFlight(): number {
    let sum = 0
    for (const count of this.#inFlight.values()) sum += count
    return sum
  }

  async join(): Promise<SlotGateway> {
    const store = redisStore(this.#server.url)
    const backends = [{ url: 'http://b:1', id: 'b', maxConnections: this.#limit }]
    const balancer = await openBalancer({ backends, queueTimeout: 60_000, queueLimit: 10_000 }, store)
    const gateway = { balancer, store, isAlive: true }
    this.list.push(gateway)
    return gateway
  }

  /** Sends a request, which takes a few turns of the event loop or until `end` resolves, and waits for its end. */
  async send(gateway: SlotGateway, end?: Promise<void>): Promise<void> {
    const lease = await gateway.balancer.acquireInTurn()
    if (!gateway.isAlive) return
    this.#count(gateway, 1)
    this.most = Math.max(this.most, this.inFlight)
    if (end) await end
    else for (let turn = 0; turn < 5; turn++) await setImmediate()
    if (gateway.isAlive) {
      this.#count(gateway, -1)
      this.served++
    }
    lease.release('ok')
  }

  /** Sends one request after the other until `isOver`, so many at once. */
  async load(gateway: SlotGateway, atOnce: number, isOver: () => boolean): Promise<void> {
    const one = async () => {
      while (!isOver() && gateway.isAlive) {
        await this.send(gateway).catch((error) => {
          if (gateway.isAlive) throw error
        })
      }
    }
    await Promise.all(Array.from({ length: atOnce }, one))
  }

  /** What kill -9 does: the backend sees that the connections are closed, and the store hears nothing more. */
  kill(gateway: SlotGateway): void {
    gateway.isAlive = false
    this.#inFlight.delete(gateway)
    gateway.store.connection.close()
    gateway.balancer.close()
  }

  #count(gateway: SlotGateway, change: 1 | -1): void {
    this.#inFlight.set(gateway, (this.#inFlight.get(gateway) ?? 0) + change)
  }
}
