import { hostname } from 'node:os'
import { defaultGatewayId } from '../../balancer/fleet/gateway-id.js'
import type { PoolFleet } from '../../balancer/fleet/pool-fleet.js'
import type {
  BackendStore,
  PoolState,
  Restored,
  StoredState,
  StoreRevision,
} from '../../balancer/state/store.js'
import type { Clock } from '../../balancer/time/clock.js'
import { systemClock } from '../../balancer/time/clock.js'
import type { ConnectionTarget, RedisClient } from './client.js'
import { RedisConnection } from './connection.js'
import { RedisFleet } from './fleet.js'
import type { Membership } from './membership.js'
import { RedisPoolState } from './pool-state.js'
import { RedisCounter } from './rate-limits.js'
import { RevisionWatch } from './revision-watch.js'
import { checkPrefix, DEFAULT_PREFIX, displayHost, parseStoreUrl, type StoreHost } from './url.js'

export interface RedisStoreOptions {
  /**
   * What this gateway is called: 1 to 64 letters, digits and `._~-`. A host name and a random part where it is left out.
   */
  id?: string
  /** What all keys begin with, in braces; `leastwise` where neither this nor the URL has another. */
  prefix?: string
}

const ID_FORM = /^[A-Za-z0-9._~-]{1,64}$/
/** Pool whose state is kept where the store is used without {@link RedisStore.forPool}. */
const ONLY_POOL = 'default'

/**
 * A Redis or Valkey server that gateways share. It is opened when the first pool uses it, and closed with the last. All
 * pools of a process use one object.
 */
export class RedisStore implements BackendStore {
  /** The connection of all pools. */
  readonly connection: RedisConnection
  /** Counts for rate limits, over all gateways that share the store. */
  readonly rateLimits: RedisCounter
  readonly #fleet: RedisFleet
  readonly #revisions: RevisionWatch
  readonly #open = new Set<RedisPoolState>()
  #only: RedisPoolState | undefined
  #staysOpen = false

  constructor(target: string | RedisClient, options: RedisStoreOptions = {}, clock: Clock = systemClock) {
    const { prefix, id = defaultGatewayId(hostname(), Math.random) } = options
    if (!ID_FORM.test(id)) throw new Error('must have an id of 1 to 64 letters, digits and ._~-')
    this.connection = new RedisConnection(targetOf(target, prefix), clock)
    // Each pool listens, and there may be any number of them.
    this.connection.setMaxListeners(0)
    this.rateLimits = new RedisCounter(this.connection)
    this.#fleet = new RedisFleet(this.connection, id, clock)
    this.#revisions = new RevisionWatch(this.connection, clock)
  }

  get name(): string {
    return `the store ${this.connection.displayed}`
  }

  /** The gateways that share the store. */
  get gateways(): Membership {
    return this.#fleet.gateways
  }

  get fleet(): PoolFleet {
    return this.#onlyPool().fleet
  }

  get isAway(): boolean {
    return this.connection.isAway
  }

  /**
   * Opens the connection, which then stays open until {@link close}, also while no pool uses it. The store need not be
   * there yet.
   * @throws {Error} if the package ioredis, which is optional, is not installed
   */
  async open(): Promise<void> {
    this.#staysOpen = true
    await this.connection.start()
    this.#fleet.start()
  }

  /** Returns the part of the store that keeps one pool. */
  forPool(name: string): RedisPoolState {
    const part: RedisPoolState = new RedisPoolState(name, {
      connection: this.connection,
      revisions: this.#revisions,
      fleet: this.#fleet.forPool(name),
      opened: () => {
        if (this.#open.has(part)) return
        this.#open.add(part)
        // Whoever asks is told why it cannot be opened.
        this.connection.start().catch(() => {})
        this.#fleet.start()
      },
      closed: async () => {
        if (this.#open.delete(part)) await this.#closeUnused()
      },
    })
    return part
  }

  load(): Promise<StoredState | undefined> {
    return this.#onlyPool().load()
  }

  save(state: PoolState, expectedRevision?: StoreRevision): Promise<string> {
    return this.#onlyPool().save(state, expectedRevision)
  }

  restore(state: PoolState, revision: StoreRevision): Promise<Restored> {
    return this.#onlyPool().restore(state, revision)
  }

  watch(onChange: () => void): () => void {
    return this.#onlyPool().watch(onChange)
  }

  onPresence(listener: (away?: Error) => void): () => void {
    return this.#onlyPool().onPresence(listener)
  }

  /** Closes the connection, whichever pools still use it. */
  async close(): Promise<void> {
    this.#open.clear()
    this.#staysOpen = false
    await this.#closeUnused()
  }

  /** Leaves the other gateways, and closes the connection, unless a pool uses it. */
  async #closeUnused(): Promise<void> {
    if (this.#isUsed) return
    await this.#fleet.close()
    // Another pool may have begun to use it meanwhile, so that this gateway has to join again.
    if (this.#isUsed) this.#fleet.start()
    else this.connection.close()
  }

  get #isUsed(): boolean {
    return this.#staysOpen || this.#open.size > 0
  }

  #onlyPool(): RedisPoolState {
    this.#only ??= this.forPool(ONLY_POOL)
    return this.#only
  }
}

/**
 * Makes a store that gateways share.
 * @param target a URL `redis://` or `rediss://`, or a client of ioredis, which is duplicated and stays as it is
 * @throws {Error} for a URL that is not valid; the message has no part of it
 */
export function redisStore(target: string | RedisClient, options: RedisStoreOptions = {}): RedisStore {
  return new RedisStore(target, options)
}

function targetOf(target: string | RedisClient, prefix: string | undefined): ConnectionTarget {
  if (typeof target === 'string') {
    const address = parseStoreUrl(target)
    return { ...address, address, ...(prefix !== undefined && { prefix: checkPrefix(prefix) }) }
  }
  return { client: target, displayed: displayClient(target), prefix: checkPrefix(prefix ?? DEFAULT_PREFIX) }
}

/** Says where an app's client connects to. */
function displayClient(client: RedisClient): string {
  if (client.isCluster) return 'redis cluster'
  const { options = {} } = client as {
    options?: Partial<StoreHost> & { path?: string; sentinels?: unknown; name?: string }
  }
  if (options.sentinels) return `redis ${options.name} of Sentinels`
  if (typeof options.path === 'string') return options.path
  return `redis://${displayHost({ host: options.host ?? 'localhost', port: options.port ?? 6379 })}`
}
