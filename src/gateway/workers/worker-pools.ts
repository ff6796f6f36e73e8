import type { MessagePort } from 'node:worker_threads'
import type { Balancer } from '../../balancer/balancer.js'
import type { PoolWorker } from '../../balancer/threads/pool-worker.js'
import type { PoolWorkers } from '../../balancer/threads/pool-workers.js'
import type { PoolHandles } from './protocol.js'

interface Part {
  readonly pool: PoolWorkers
  readonly member: PoolWorker
}

/** The part that one worker thread has in each pool of the gateway, as the control plane sees it. */
export class WorkerPools {
  readonly #number: number
  readonly #parts = new Map<string, Part>()

  /** @param number of the worker, from 0 on */
  constructor(number: number) {
    this.#number = number
  }

  /**
   * Makes a place for the worker in each pool in which it has none.
   * @param balancers the pools by name
   * @returns what the worker is given, and what has to be transferred with that
   */
  connect(balancers: Iterable<readonly [string, Balancer]>): {
    handles: PoolHandles
    transferList: MessagePort[]
  } {
    const handles: PoolHandles = {}
    const transferList: MessagePort[] = []
    for (const [name, { pool }] of this.#parts) if (pool.closed) this.#parts.delete(name)
    for (const [name, { workers }] of balancers) {
      if (!workers || this.#parts.get(name)?.pool === workers) continue
      const member = workers.connect(this.#number)
      this.#parts.set(name, { pool: workers, member })
      handles[name] = member.handle
      transferList.push(...member.transferList)
    }
    return { handles, transferList }
  }

  /** Whether the worker takes part in all of its pools. */
  get takesPart(): boolean {
    return [...this.#parts.values()].every(({ member }) => member.takesPart)
  }

  /** Whether a worker of a pool is this one. */
  has(member: PoolWorker): boolean {
    return [...this.#parts.values()].some((part) => part.member === member)
  }

  /** Number of requests in flight; once the worker has ended, the number that it had then. */
  get inFlight(): number {
    let sum = 0
    for (const { pool, member } of this.#parts.values()) sum += member.cut + pool.inFlightOf(member)
    return sum
  }

  /** Resolves once every worker has applied all changes of the pools so far. */
  async settled(): Promise<void> {
    await Promise.all(Array.from(this.#parts.values(), ({ pool }) => pool.settled()))
  }

  /** Notes that the thread has ended. @param reason why it ended, for people */
  close(reason: string): void {
    for (const { member } of this.#parts.values()) member.close(reason)
  }
}
