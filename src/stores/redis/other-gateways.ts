import type { GatewayEntry } from './gateway-entry.js'

/** Why another gateway is gone: it has closed, or its lease is over. */
export type Departure = 'closed' | 'silent'

/** Milliseconds for which a gateway that has left is not believed to live, whatever an answer says that was under way. */
const LEFT_MEMORY_MS = 10_000

export interface OtherGatewaysOptions {
  readonly leaseMs: number
  /** Returns the time of the store in milliseconds since 1970. */
  now(): number
  joined(entry: GatewayEntry): void
  left(entry: GatewayEntry, why: Departure): void
}

/** The other gateways, as they were heard of last. */
export class OtherGateways {
  readonly #options: OtherGatewaysOptions
  /** By instance. */
  readonly #entries = new Map<string, GatewayEntry>()
  /** Instances that have left, with the time at which that is forgotten. */
  readonly #left = new Map<string, number>()

  constructor(options: OtherGatewaysOptions) {
    this.#options = options
  }

  /** Returns those whose lease is not over. */
  list(): GatewayEntry[] {
    return [...this.#entries.values()].filter((entry) => !this.#isOver(entry))
  }

  /** Returns true if this gateway is there, and its lease is not over. */
  has(instance: string): boolean {
    const entry = this.#entries.get(instance)
    return entry !== undefined && !this.#isOver(entry)
  }

  /** Takes what the store knows of other gateways. One whose id another gateway has is gone. */
  heard(entries: readonly GatewayEntry[], self: Pick<GatewayEntry, 'id' | 'instance'>): void {
    for (const entry of entries) {
      const { instance } = entry
      if (this.#left.has(instance)) continue
      const isNew = !this.#entries.has(instance)
      this.#entries.set(instance, entry)
      if (isNew) this.#options.joined(entry)
    }
    const holders = new Map([...entries, self].map(({ id, instance }) => [id, instance]))
    for (const entry of this.#entries.values()) {
      if ((holders.get(entry.id) ?? entry.instance) !== entry.instance) this.#drop(entry, 'silent')
    }
    this.forget()
  }

  /** Takes the news that a gateway has left. */
  leave(instance: string): void {
    const entry = this.#entries.get(instance)
    if (!entry) return
    this.#left.set(instance, this.#options.now() + LEFT_MEMORY_MS)
    this.#drop(entry, 'closed')
  }

  /**
   * Forgets gateways whose lease is over. One that the store does not know is there until then: a store that was emptied
   * knows only those who have announced themselves again.
   */
  forget(): void {
    for (const entry of this.#entries.values()) if (this.#isOver(entry)) this.#drop(entry, 'silent')
    const now = this.#options.now()
    for (const [instance, time] of this.#left) if (time <= now) this.#left.delete(instance)
  }

  clear(): void {
    this.#entries.clear()
    this.#left.clear()
  }

  #isOver({ seen }: GatewayEntry): boolean {
    return this.#options.now() - seen >= this.#options.leaseMs
  }

  #drop(entry: GatewayEntry, why: Departure): void {
    if (this.#entries.delete(entry.instance)) this.#options.left(entry, why)
  }
}
