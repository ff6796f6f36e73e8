// Over 200 lines: all that happens to the workers of a pool, each a few lines that share one list.
import type { Backend } from '../backends/backend.js'
import type { OtherThreads } from '../backends/registry-options.js'
import { StoppedError } from '../errors.js'
import { GuardedEmitter, type ObserverGuard } from '../observer-guard.js'
import type { Clock } from '../time/clock.js'
import type { ControlledPool } from './controlled-pool.js'
import { isOutdated, type KnownBackend, knownOf, type PoolChange, type WorkerMessage } from './messages.js'
import { PoolWorker } from './pool-worker.js'
import { takeOffColumn } from './shared-load-counter.js'
import { column, type PoolTable, poolWord } from './table.js'
import type { PoolWorkersEvents, WorkerChange } from './worker-change.js'
import { WorkerWatch } from './worker-watch.js'

/** The workers of a pool that threads share, as the control plane sees them. */
export class PoolWorkers extends GuardedEmitter<PoolWorkersEvents> implements OtherThreads {
  /** Largest number of workers at the same time. */
  readonly limit: number
  /** @internal */
  readonly table: PoolTable
  readonly #pool: () => ControlledPool
  readonly #clock: Clock
  readonly #guard: ObserverGuard
  readonly #workers = new Map<number, PoolWorker>()
  /** What the workers know of each backend. */
  readonly #known = new Map<Backend, KnownBackend>()
  #pending: PoolChange[] = []
  #revision = 0
  #isFlushDue = false
  /** Callbacks that wait until all workers have applied a revision. */
  #waiting: { revision: number; callback: () => void }[] = []
  readonly #watch: WorkerWatch
  #isClosed = false

  /** @param pool returns the pool, which is complete by the time of the first call */
  constructor(table: PoolTable, clock: Clock, guard: ObserverGuard, pool: () => ControlledPool) {
    super(guard)
    this.#guard = guard
    this.table = table
    this.#clock = clock
    this.#pool = pool
    this.limit = table.workers
    this.#watch = new WorkerWatch(clock, this, (worker) => {
      this.#changed(worker, 'silent')
      this.announce('silent', worker)
    })
  }

  get closed(): boolean {
    return this.#isClosed
  }

  /** The workers that are connected now, in the order of their numbers. */
  get list(): PoolWorker[] {
    return [...this.#workers.values()].sort((a, b) => a.number - b.number)
  }

  /**
   * Makes a place for a worker.
   * @param place the number of the place, from 0 on; the first free one by default
   * @throws {RangeError} where the place is taken, or all are
   * @throws {StoppedError} where the pool was closed
   */
  connect(place?: number): PoolWorker {
    if (this.#isClosed) throw new StoppedError('the pool was closed')
    let number = place ?? 0
    while (place === undefined && this.#workers.has(number)) number++
    if (number >= this.limit || this.#workers.has(number))
      throw new RangeError(`the pool has at most ${this.limit} workers`)
    this.#flush()
    const { registry, policy, options } = this.#pool()
    const backends = registry.list().map(knownOf)
    const { buffers: table } = this.table
    const worker: PoolWorker = new PoolWorker(
      { worker: number, table, policy, backends, options, revision: this.#revision },
      {
        heard: (message) => this.#heard(worker, message),
        left: () => this.#left(worker),
        closed: (reason) => this.#ended(worker, reason),
        failed: (error) => this.#guard.complain(error),
      },
      this.#clock,
    )
    this.#workers.set(number, worker)
    if (this.#workers.size === 1) this.#watch.start()
    return worker
  }

  /** Resolves once every worker has applied all changes so far, or the pool was closed. */
  settled(): Promise<void> {
    return new Promise((resolve) => this.whenKnown(resolve))
  }

  whenKnown(callback: () => void): void {
    this.#flush()
    this.#waiting.push({ revision: this.#revision, callback })
    this.#callBack()
  }

  cut(backend: Backend, why: string): void {
    this.tell({ kind: 'cut', row: backend.row, why })
  }

  /** @internal */
  renewed({ row }: Backend): void {
    this.tell({ kind: 'renewed', row })
  }

  /** @internal */
  removed(backend: Backend): void {
    this.#known.delete(backend)
    this.tell({ kind: 'removed', row: backend.row })
    // The next update has the change, perhaps together with others.
    const callback = () => this.#pool().forgotten(backend)
    this.#waiting.push({ revision: this.#revision + 1, callback })
  }

  /** @internal Sends what has changed of the backends. */
  backendsChanged(): void {
    for (const backend of this.#pool().registry.list()) {
      const known = this.#known.get(backend)
      if (known && !isOutdated(known, backend)) continue
      const now = knownOf(backend)
      this.#known.set(backend, now)
      this.#pending.push({ kind: 'backend', backend: now })
    }
    this.#flush()
  }

  /**
   * Asks workers a question, and leaves out those that do not answer.
   * @returns the answers, in the order of the workers
   */
  async ask<A>(question: (worker: PoolWorker) => Promise<A>, workers = this.list): Promise<A[]> {
    const answers = workers
      .filter(({ takesPart }) => takesPart)
      .map(async (worker) => {
        try {
          return [await question(worker)]
        } catch (error) {
          this.announce('unanswered', worker, error as Error)
          return []
        }
      })
    return (await Promise.all(answers)).flat() as A[]
  }

  /** Returns the number of requests that a worker has in flight, those on removed backends included. */
  inFlightOf({ number }: Pick<PoolWorker, 'number'>): number {
    let sum = 0
    for (let row = 1; row < this.table.blocks.rows; row++)
      sum += this.table.columns.at(number, row, column.inFlight)
    return sum
  }

  /** Disconnects all workers. Those that still run go on with the backends that they know, and with true counts. */
  close(): void {
    this.#isClosed = true
    Atomics.store(this.table.words, poolWord.closed, 1)
    for (const worker of this.list) worker.disconnect()
    this.#watch.stop()
    this.#callBack()
  }

  /** @internal Tells the workers of a change. */
  tell(change: PoolChange): void {
    this.#pending.push(change)
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    queueMicrotask(() => {
      this.#flush()
      this.#callBack()
    })
  }

  #flush(): void {
    this.#isFlushDue = false
    if (this.#pending.length === 0) return
    const changes = this.#pending
    this.#pending = []
    const update = { revision: ++this.#revision, changes }
    for (const worker of this.#workers.values()) worker.send(update)
  }

  #heard(worker: PoolWorker, message: WorkerMessage): void {
    if (message.kind === 'applied') {
      const isNew = worker.applied === -1
      worker.applied = message.revision
      if (isNew) this.#changed(worker, 'started')
      this.#callBack()
      return
    }
    const { registry, heard } = this.#pool()
    if (message.kind === 'host' && message.row === 0) registry.refusedHost = message.host
    const backend = registry.list().find(({ row }) => row === message.row)
    if (backend) heard(message, backend)
  }

  #callBack(): void {
    let applied = Number.POSITIVE_INFINITY
    // A worker that has not begun yet carries no traffic, and will begin with the latest state.
    for (const worker of this.#isClosed ? [] : this.#workers.values())
      if (worker.takesPart) applied = Math.min(applied, worker.applied)
    const due = this.#waiting.filter(({ revision }) => revision <= applied)
    this.#waiting = this.#waiting.filter(({ revision }) => revision > applied)
    for (const { callback } of due) this.#guard.call(callback)
  }

  /** A worker that has no request in flight leaves its place at once, any other one when its thread has ended. */
  #left(worker: PoolWorker): void {
    if (this.#isClosed) return
    if (this.inFlightOf(worker) === 0) this.#leave(worker)
    else this.#callBack()
  }

  /** Takes a worker's requests off the counts once its thread has ended. */
  #leave(worker: PoolWorker): void {
    const { number } = worker
    if (this.#workers.get(number) !== worker) return
    this.#workers.delete(number)
    const { registry, freed } = this.#pool()
    for (let row = 1; row < this.table.blocks.rows; row++)
      if (this.table.columns.at(number, row, column.total) !== 0)
        worker.cut += takeOffColumn(this.table, number, row)
    this.table.keys[number]?.fill(0)
    freed(number)
    for (const backend of registry.list()) if (backend.inFlight === 0) registry.becameIdle(backend)
    this.#callBack()
    if (this.#workers.size === 0) this.#watch.stop()
  }

  #ended(worker: PoolWorker, reason: string | null): void {
    this.#leave(worker)
    this.#changed(worker, 'ended', reason)
  }

  #changed({ number, cut }: PoolWorker, state: WorkerChange['state'], reason: string | null = null): void {
    this.announce('change', { number, state, reason, cut })
  }
}
