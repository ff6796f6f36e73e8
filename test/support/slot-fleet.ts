import { setImmediate } from 'node:timers/promises'
import { Backend } from '../../src/balancer/backends/backend.js'
import { PoolSlots } from '../../src/balancer/fleet/pool-slots.js'
import type { SlotGrant, SlotRequest, SlotStore } from '../../src/balancer/fleet/slot-store.js'
import { TestClock } from './clock.js'
import { SlotModel } from './slot-model.js'

/** Milliseconds after which a call without an answer fails. */
const CALL_TIMEOUT_MS = 2500
const STEP_MS = 5
export const URL_OF_ALL = 'http://b:1'

/** What becomes of one call: how long it takes to the store and back; undefined where it is lost on that way. */
export interface Passage {
  there: number | undefined
  back: number | undefined
}

interface FleetOptions {
  limit: number
  gateways: number
  /** What becomes of the next call of a gateway; 1 ms each way by default. */
  passage?: ((gateway: Gateway) => Passage) | undefined
  /** True if a message to a gateway is lost. */
  losesNews?: (() => boolean) | undefined
}

/** Gateways that share one backend, with a store that does what it is told to, in a time of its own. */
export class SlotFleet {
  readonly clock = new TestClock()
  readonly model = new SlotModel()
  readonly options: FleetOptions
  readonly gateways: Gateway[] = []
  /** True while the store answers nobody. */
  isAway = false
  /** Number of calls that the store has answered. */
  calls = 0
  /** The largest number of requests that could have been in flight at once. */
  most = 0
  limit: number

  constructor(options: FleetOptions) {
    this.options = options
    this.limit = options.limit
    // A store that has been used before: only then is there no need to ask who has slots.
    this.model.lease({ token: 'first', number: 1, known: 0, leaves: true, requests: [] }, EPOCH - 10_000)
    for (let i = 0; i < options.gateways; i++) this.join()
  }

  join(): Gateway {
    const gateway = new Gateway(this, `g${this.gateways.length}`)
    this.gateways.push(gateway)
    return gateway
  }

  /** The store's time. */
  get time(): number {
    return EPOCH + Math.floor(this.clock.now())
  }

  get living(): Gateway[] {
    return this.gateways.filter(({ isAlive }) => isAlive)
  }

  /** The number of requests that all gateways together might have in flight now. */
  get usable(): number {
    return this.living.reduce((sum, { usable }) => sum + usable, 0)
  }

  get inFlight(): number {
    return this.living.reduce((sum, { backend }) => sum + backend.inFlight, 0)
  }

  /** Lets time pass in small steps, with `act` in each. */
  async pass(milliseconds: number, act: () => void = () => {}): Promise<void> {
    for (let passed = 0; passed < milliseconds; passed += STEP_MS) {
      act()
      this.clock.pass(STEP_MS)
      // What was answered is taken over in microtasks.
      await setImmediate()
      this.most = Math.max(this.most, this.usable)
    }
  }

  /** Lets time pass until something is so. Returns the milliseconds; throws after `limit` of them. */
  async until(isSo: () => boolean, limit: number, act?: () => void): Promise<number> {
    let passed = 0
    for (; !isSo(); passed += STEP_MS) {
      if (passed > limit) throw new Error(`not within ${limit} ms`)
      await this.pass(STEP_MS, act)
    }
    return passed
  }

  setLimit(limit: number): void {
    this.limit = limit
    for (const gateway of this.living) {
      gateway.backend.maxConnections = limit === 0 ? Number.POSITIVE_INFINITY : limit
      gateway.slots.backendsChanged()
    }
  }

  tell(urls: readonly string[] | undefined): void {
    for (const gateway of this.living) {
      if (this.options.losesNews?.()) continue
      this.clock.after(1, () => gateway.isAlive && !gateway.isCut && !this.isAway && gateway.heard?.(urls))
    }
  }
}

const EPOCH = 1_700_000_000_000

/** One gateway of {@link SlotFleet}. */
export class Gateway implements SlotStore {
  readonly token: string
  readonly slots: PoolSlots
  backend = newBackend()
  isAlive = true
  /** True while this gateway does not reach the store. */
  isCut = false
  /** Number of requests that wait. */
  waiting = 0
  heard: ((urls?: readonly string[]) => void) | undefined
  readonly #fleet: SlotFleet
  #number = 0
  #known = 0

  constructor(fleet: SlotFleet, token: string) {
    this.#fleet = fleet
    this.token = token
    this.backend.maxConnections = fleet.limit
    const registry = { list: () => [this.backend], eligible: [this.backend] }
    const queue = Object.defineProperty({ length: 0 }, 'length', { get: () => this.waiting })
    this.slots = new PoolSlots(this, {
      registry,
      queue,
      clock: fleet.clock,
      observer: { slotsChanged: () => this.serve() },
    })
  }

  get isAway(): boolean {
    return this.isCut || this.#fleet.isAway
  }

  /** The number of requests that this gateway might have in flight now. */
  get usable(): number {
    return Math.max(this.backend.slots, this.backend.inFlight)
  }

  /** A request comes: it is given a slot, or waits. */
  request(): void {
    this.waiting++
    this.serve()
    if (this.waiting > 0 || this.backend.isFull) this.slots.look()
  }

  serve(): void {
    for (; this.waiting > 0 && !this.backend.isFull; this.waiting--) {
      this.backend.counter.claim(this.backend.slots, undefined)
    }
  }

  /** A request ends. */
  end(): void {
    if (this.backend.inFlight === 0) return
    this.backend.counter.end('ok')
    this.serve()
  }

  /** Another backend takes the URL. Returns the former one, whose requests go on. */
  replaceBackend(): Backend {
    const former = this.backend
    former.isRegistered = false
    this.backend = newBackend()
    this.backend.maxConnections = this.#fleet.limit
    this.slots.backendsChanged()
    return former
  }

  /** The process is gone, and with it its requests. */
  kill(): void {
    this.isAlive = false
    this.heard = undefined
    void this.slots.close()
  }

  /** Reaches the store again, or is cut off from it. */
  cut(isCut: boolean): void {
    this.isCut = isCut
    if (!isCut) this.heard?.()
  }

  onNews(listener: (urls?: readonly string[]) => void): () => void {
    this.heard = listener
    return () => {
      this.heard = undefined
    }
  }

  lease(requests: readonly SlotRequest[]): Promise<SlotGrant[]> {
    const fleet = this.#fleet
    const { clock, model } = fleet
    const { there, back } = fleet.options.passage?.(this) ?? { there: 1, back: 1 }
    const number = ++this.#number
    const known = this.#known
    return new Promise((resolve, reject) => {
      const cancel = clock.after(CALL_TIMEOUT_MS, () => reject(new Error('late')))
      if (there === undefined || !this.isAlive) return
      clock.after(there, () => {
        if (this.isAway) return
        const answer = model.lease({ token: this.token, number, known, requests }, fleet.time)
        fleet.calls++
        if (answer?.isNew) fleet.tell(undefined)
        if (answer && answer.tells.length > 0) fleet.tell(answer.tells)
        if (back === undefined) return
        clock.after(back, () => {
          cancel()
          if (!answer || this.isAway) return reject(new Error('overtaken, or away'))
          this.#known = Math.max(this.#known, answer.now)
          resolve(answer.grants)
        })
      })
    })
  }
}

function newBackend(): Backend {
  const backend = new Backend('b', { origin: URL_OF_ALL, host: 'b:1' }, undefined, new Date(0))
  backend.isRegistered = true
  backend.isEligible = true
  return backend
}
