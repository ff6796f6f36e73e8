import { randomBytes } from 'node:crypto'
import type { Registry } from '../balancer/backends/registry.js'
import { homeCodeOf } from '../balancer/selection/affinity/key-hash.js'
import type { TableBuffers } from '../balancer/threads/table.js'
import type { PoolSettings } from '../config/settings.js'
import type { Affinity } from '../proxy/downstream/affinity/affinity.js'
import { affinityOf } from '../proxy/downstream/affinity/affinity-of.js'
import type { Trust } from '../proxy/http/trust.js'

/** Length of a secret that nobody has given, in bytes. */
const SECRET_BYTES = 32
/** The name of the secret in `TableBuffers.further`. */
const SHARED_SECRET = 'affinity secret'

/** The secret of this process, for pools whose settings have none. */
const processSecret = randomBytes(SECRET_BYTES)

/** Gives the worker threads of a pool the secret of this process, so that a cookie is good in each of them. */
export function shareAffinitySecret({ further }: TableBuffers): void {
  const shared = new SharedArrayBuffer(SECRET_BYTES)
  new Uint8Array(shared).set(processSecret)
  further[SHARED_SECRET] = shared
}

/** What finds the keys of a pool's requests, for all routes to the pool. */
export class PoolAffinity {
  readonly #pool: string
  readonly #registry: Registry
  readonly #secret: Buffer
  readonly #setting: string
  readonly #known = new Map<Trust, Affinity | undefined>()
  /** The set of eligible backends for which the codes were made, and the codes. */
  #eligible: Registry['eligible'] | undefined
  #codes = new Set<number>()

  /** @param table the memory that threads share, in a worker of a pool */
  constructor(
    pool: string,
    registry: Registry,
    { affinity, affinitySecret }: Pick<PoolSettings, 'affinity' | 'affinitySecret'>,
    table: TableBuffers | undefined,
  ) {
    this.#pool = pool
    this.#registry = registry
    this.#setting = affinity
    const shared = table?.further[SHARED_SECRET]
    if (affinitySecret !== '') this.#secret = Buffer.from(affinitySecret)
    else this.#secret = shared ? Buffer.from(new Uint8Array(shared)) : processSecret
  }

  /** Whether requests of the pool have keys. */
  get isOn(): boolean {
    return this.#setting !== 'off'
  }

  /** Returns what finds the keys of requests that come by a route; undefined where requests have no key. */
  for(trust: Trust): Affinity | undefined {
    if (!this.#known.has(trust)) {
      this.#known.set(trust, this.#make(this, trust))
    }
    return this.#known.get(trust)
  }

  /**
   * Returns what finds keys in this pool as in another one, so that a request has the same key in both, and the cookie
   * that either of them sets is good in both.
   */
  like(other: PoolAffinity, trust: Trust): Affinity | undefined {
    if (other.#setting === this.#setting && other.#secret.equals(this.#secret)) return this.for(trust)
    return this.#make(other, trust)
  }

  #make(keys: PoolAffinity, trust: Trust): Affinity | undefined {
    return affinityOf({
      affinity: keys.#setting,
      pool: this.#pool,
      secret: keys.#secret,
      trust,
      hasHome: (code) => this.#hasHome(code),
    })
  }

  #hasHome(code: number): boolean {
    const { eligible } = this.#registry
    // The set of eligible backends is replaced as a whole whenever a backend may be chosen that could not be before.
    if (eligible !== this.#eligible) {
      this.#eligible = eligible
      this.#codes = new Set([...eligible, ...this.#registry.kept].map(({ id }) => homeCodeOf(id)))
    }
    return this.#codes.has(code)
  }
}
