import { setImmediate } from 'node:timers/promises'
import type { PoolFleet } from '../../src/balancer/fleet/pool-fleet.js'
import {
  type BackendStore,
  type PoolState,
  type Restored,
  StoreConflictError,
  type StoredState,
  StoreOutcomeError,
  type StoreRevision,
} from '../../src/balancer/index.js'
import { historyOf, isOlder } from '../../src/balancer/state/store.js'

/** What one gateway does not get through to, see {@link GatewayStore.fault}. */
export type Fault = 'lost' | 'unanswered'

/** The content of a store in memory that several gateways share. */
export class SharedStore {
  content: StoredState | undefined
  saves = 0
  /** Number of states that were written again. */
  restored = 0
  readonly gateways: GatewayStore[] = []
  /** Is called with each state that is written. */
  onWrite: (state: PoolState, writer: GatewayStore) => void = () => {}
  #random = 0

  readonly turns: () => number

  /** @param turns returns the number of turns of the event loop that an operation takes until it is carried out */
  constructor(turns: () => number = () => 0) {
    this.turns = turns
  }

  gateway(): GatewayStore {
    const gateway = new GatewayStore(this)
    this.gateways.push(gateway)
    return gateway
  }

  write(state: PoolState, revision: StoreRevision, writer: GatewayStore): void {
    this.content = { state: structuredClone(state), revision }
    this.saves++
    this.onWrite(state, writer)
    for (const gateway of this.gateways) if (gateway !== writer) gateway.told()
  }

  /** The store has other content all of a sudden, and every gateway finds out. */
  replace(content: StoredState | undefined): void {
    this.content = structuredClone(content)
    for (const gateway of this.gateways) gateway.told()
  }

  /** Returns the revision that follows on another one. */
  next(before: StoreRevision | undefined): string {
    const random = (this.#random++).toString(36).padStart(12, 'x')
    return `${Number.parseInt(String(before ?? '0'), 10) + 1}-${historyOf(before ?? '') ?? random}${random}`
  }
}

/** A gateway's way to a {@link SharedStore}, on which things go wrong when they are told to. */
export class GatewayStore implements BackendStore {
  readonly name = 'the shared store'
  readonly shared: SharedStore
  readonly fleet: PoolFleet = {
    counts: { join: () => () => {} },
    slots: { isAway: false, lease: async () => [], onNews: () => () => {} },
  }
  isAway = false
  /** What becomes of the next save: it does not reach the store, or only its answer is lost. The store is away then. */
  fault: Fault | undefined
  /** Is called within a save before it is carried out, once. */
  before: (() => void | Promise<void>) | undefined
  /** True if messages of other gateways do not come. */
  isDeaf = false
  /** Why a save is refused; the store is there. */
  refusal: Error | undefined
  readonly #changed = new Set<() => void>()
  readonly #presence = new Set<(away?: Error) => void>()

  constructor(shared: SharedStore) {
    this.shared = shared
  }

  get listeners(): number {
    return this.#changed.size + this.#presence.size
  }

  async load(): Promise<StoredState | undefined> {
    await this.#reach()
    return structuredClone(this.shared.content)
  }

  async save(state: PoolState, expected?: StoreRevision): Promise<StoreRevision> {
    const revision = this.shared.next(expected)
    await this.#reach()
    const { before, fault, refusal } = this
    this.before = undefined
    this.fault = undefined
    await before?.()
    if (refusal) throw refusal
    if (fault !== 'lost') {
      if (this.shared.content?.revision !== expected) throw new StoreConflictError(this.name)
      this.shared.write(state, revision, this)
    }
    if (fault === undefined) return revision
    this.leave()
    throw new StoreOutcomeError(this.name, revision, 'it did not answer')
  }

  async restore(state: PoolState, revision: StoreRevision): Promise<Restored> {
    await this.#reach()
    const found = this.shared.content?.revision
    if (found !== undefined && !isOlder(found, revision)) return { isWritten: false, revision: found }
    this.shared.write(state, revision, this)
    this.shared.restored++
    return { isWritten: true, revision }
  }

  watch(onChange: () => void): () => void {
    this.#changed.add(onChange)
    return () => this.#changed.delete(onChange)
  }

  onPresence(listener: (away?: Error) => void): () => void {
    this.#presence.add(listener)
    return () => this.#presence.delete(listener)
  }

  /** Another gateway has written. */
  told(): void {
    if (this.isAway || this.isDeaf) return
    for (const listener of this.#changed) listener()
  }

  /** The gateway does not reach the store any more. */
  leave(): void {
    this.isAway = true
    for (const listener of this.#presence) listener(new Error('it does not answer'))
  }

  comeBack(): void {
    this.isAway = false
    for (const listener of this.#presence) listener()
  }

  async #reach(): Promise<void> {
    for (let left = this.shared.turns(); left > 0; left--) await setImmediate()
    if (this.isAway) throw new Error('it does not answer')
  }
}
