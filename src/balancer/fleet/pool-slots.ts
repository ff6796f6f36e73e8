import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import type { WaitQueue } from '../leases/wait-queue.js'
import type { Clock } from '../time/clock.js'
import { SlotDemand } from './slot-demand.js'
import type { SlotStore } from './slot-store.js'

/** How often the store is asked in any case, which renews the lease. */
const HEARTBEAT_MS = 1000
/** Shortest time between two calls. */
const GAP_MS = 25
/** How often the requests in flight are looked at. */
const TICK_MS = 50

/** The parts of a pool that have to do with slots. */
export interface SlottedPool {
  readonly registry: Pick<Registry, 'list' | 'eligible'>
  readonly queue: Pick<WaitQueue, 'length'>
  readonly clock: Clock
  readonly observer: {
    /** Backends have another number of slots. */
    slotsChanged(backends: readonly Backend[]): void
  }
}

/**
 * Keeps the slots of a pool's backends, so that `maxConnections` of a backend holds for all gateways together. A
 * request that finds a slot waits for nothing. One that finds none waits in the queue until the store has granted more.
 */
export class PoolSlots {
  readonly #store: SlotStore
  readonly #pool: SlottedPool
  readonly #demands = new Map<string, SlotDemand>()
  readonly #stopListening: () => void
  #call: Promise<void> | undefined
  /** When the latest call began, and the latest that was for all backends, in monotonic milliseconds. */
  #calledAt = Number.NEGATIVE_INFINITY
  #beatAt = Number.NEGATIVE_INFINITY
  #cancelTick = () => {}
  /** When the timer fires, in monotonic milliseconds; Infinity while there is none. */
  #tickAt = Number.POSITIVE_INFINITY
  #isClosed = false

  constructor(store: SlotStore, pool: SlottedPool) {
    this.#store = store
    this.#pool = pool
    this.#stopListening = store.onNews((urls) => this.#heard(urls))
    this.backendsChanged()
  }

  /** Resolves once the store has answered the call that is under way, or has not. */
  async settled(): Promise<void> {
    await this.#call
  }

  /** Takes over which backends there are, and their limits. Slots of new ones are asked for at once. */
  backendsChanged(): void {
    if (this.#isClosed) return
    const limited = new Map<string, Backend>()
    const unlimited: Backend[] = []
    for (const backend of this.#pool.registry.list()) {
      if (backend.hasLimit) limited.set(backend.url, backend)
      else if (!Number.isFinite(backend.slots)) continue
      else {
        backend.leasedSlots = Number.POSITIVE_INFINITY
        unlimited.push(backend)
      }
    }
    for (const demand of this.#demands.values()) if (!limited.has(demand.url)) demand.leave()
    for (const [url, backend] of limited) {
      let demand = this.#demands.get(url)
      if (!demand) {
        demand = new SlotDemand(url)
        this.#demands.set(url, demand)
      }
      demand.follow(backend)
    }
    this.#apply(this.#demands.values(), unlimited)
    this.look()
  }

  /** Asks for slots where that is due. It is called when a request has to wait, and when the last slot is taken. */
  look(): void {
    if (this.#isClosed || this.#demands.size === 0) return
    const now = this.#pool.clock.now()
    if (this.#call || now - this.#calledAt < GAP_MS) {
      this.#lookIn(GAP_MS)
      return
    }
    const isBeat = now - this.#beatAt >= HEARTBEAT_MS
    const waiting = this.#waitingForEach()
    const due: SlotDemand[] = []
    for (const demand of this.#demands.values()) {
      demand.measure(demand.backend?.isEligible ? waiting : 0, now)
      if (demand.isOver) this.#demands.delete(demand.url)
      else if (isBeat || demand.isDue(now)) due.push(demand)
    }
    if (isBeat) this.#beatAt = now
    if (due.length > 0) this.#ask(due, now)
    // Requests on removed backends may have ended, whose slots are free.
    this.#apply(this.#demands.values())
    this.#lookIn(TICK_MS)
  }

  /** Gives all slots back, once no request is in flight any more. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#cancelTick()
    this.#stopListening()
    await this.#call
    const requests = Array.from(this.#demands.values(), (demand) => demand.resignation())
    if (requests.length === 0 || this.#store.isAway) return
    // What cannot be given back is free again once the lease is over.
    await this.#store.lease(requests).catch(() => {})
  }

  #waitingForEach(): number {
    const { queue, registry } = this.#pool
    return queue.length === 0 ? 0 : Math.ceil(queue.length / Math.max(1, registry.eligible.length))
  }

  #ask(demands: readonly SlotDemand[], now: number): void {
    if (this.#store.isAway) {
      for (const demand of demands) demand.unanswered(true, now)
      this.#apply(demands)
      return
    }
    this.#calledAt = now
    const requests = demands.map((demand) => demand.request(now))
    this.#apply(demands)
    this.#call = this.#store
      .lease(requests)
      .then(
        (grants) => {
          const answeredAt = this.#pool.clock.now()
          for (const [i, demand] of demands.entries()) {
            const [request, grant] = [requests[i], grants[i]]
            if (request && grant) demand.granted(request, grant, answeredAt)
          }
        },
        () => {
          const failedAt = this.#pool.clock.now()
          for (const demand of demands) demand.unanswered(this.#store.isAway, failedAt)
        },
      )
      .then(() => {
        this.#call = undefined
        this.#apply(demands)
        this.#lookIn(GAP_MS)
      })
  }

  /** @param changed other backends with another number of slots */
  #apply(demands: Iterable<SlotDemand>, changed: Backend[] = []): void {
    for (const demand of demands) {
      const backend = demand.apply()
      if (backend) changed.push(backend)
    }
    if (changed.length > 0 && !this.#isClosed) this.#pool.observer.slotsChanged(changed)
  }

  #heard(urls: readonly string[] | undefined): void {
    const now = this.#pool.clock.now()
    if (urls) for (const url of urls) this.#demands.get(url)?.hear(now)
    else this.#beatAt = Number.NEGATIVE_INFINITY
    this.look()
  }

  #lookIn(delay: number): void {
    const tickAt = this.#pool.clock.now() + delay
    if (this.#isClosed || this.#tickAt <= tickAt) return
    this.#cancelTick()
    this.#tickAt = tickAt
    this.#cancelTick = this.#pool.clock.after(delay, () => {
      this.#tickAt = Number.POSITIVE_INFINITY
      this.look()
    })
  }
}
