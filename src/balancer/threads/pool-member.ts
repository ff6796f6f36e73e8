import type { MessagePort } from 'node:worker_threads'
import { Channel } from '../../threads/channel.js'
import type { Backend } from '../backends/backend.js'
import type { ChangingOptions } from '../changing-options.js'
import { InvalidOptionError } from '../errors.js'
import type { DecisionFilter, TimedDecision } from '../explain/decision.js'
import type { Explanation, Inquiry } from '../explain/explanation.js'
import type { Clock } from '../time/clock.js'
import type {
  PoolHandle,
  PoolUpdate,
  SentInquiry,
  ToPoolControl,
  ToPoolMember,
  WorkerMessage,
} from './messages.js'
import type { ReplicaRegistry } from './replica-registry.js'
import { type PoolTable, poolColumn, poolWord } from './table.js'

/** The ports of the handles that this thread has used. */
const usedPorts = new WeakSet<MessagePort>()

/** Interval in which a worker shows that its event loop turns. */
const BEAT_INTERVAL_MS = 500
/** Largest number of Host fields that are told in one interval. */
const MAX_HOSTS_PER_BEAT = 20

/** The parts of a worker's pool that follow the control plane. */
export interface FollowingPool {
  readonly registry: ReplicaRegistry
  readonly clock: Clock
  usePolicy(name: string): void
  useOptions(changed: ChangingOptions): void
  /** Earlier failures of the backend no longer count. */
  renewed(backend: Backend): void
}

/** What the control plane may ask of a worker. */
export interface AnsweringPool {
  timedDecisions(filter: DecisionFilter): TimedDecision[]
  explain(inquiry: Inquiry): Explanation
}

/** A worker's part in a pool that threads share: it applies the updates of the control plane. */
export class PoolMember {
  readonly #handle: PoolHandle
  readonly #table: PoolTable
  readonly #pool: FollowingPool
  readonly #own: Float64Array
  #channel: Channel<ToPoolMember, ToPoolControl> | undefined
  /** The Host field that was told last for each row. */
  readonly #hosts = new Map<number, string>()
  #cancelBeat = () => {}

  /** @throws {InvalidOptionError} for the handle of a pool that was closed, and for one that was used before */
  constructor(handle: PoolHandle, table: PoolTable, pool: FollowingPool) {
    if (Atomics.load(table.words, poolWord.closed) === 1)
      throw new InvalidOptionError('shared', 'is the handle of a pool that was closed')
    if (usedPorts.has(handle.port))
      throw new InvalidOptionError('shared', 'takes a handle once: call workers.connect() for each worker')
    usedPorts.add(handle.port)
    this.#handle = handle
    this.#table = table
    this.#pool = pool
    this.#own = table.pool.of(handle.worker, 0)
    this.#own[poolColumn.starts] = (this.#own[poolColumn.starts] as number) + 1
    pool.registry.onIdle = ({ row }) => this.tell({ kind: 'idle', row })
    pool.registry.batch(() => {
      for (const known of handle.backends) pool.registry.follow(known)
    })
    this.#beat()
  }

  /** Begins to follow the control plane. It is called once the pool is complete. */
  start(answers: AnsweringPool): void {
    const { port, revision } = this.#handle
    this.#channel = new Channel<ToPoolMember, ToPoolControl>(
      port,
      {
        update: (update) => this.#apply(update),
        decisions: (filter) => answers.timedDecisions(filter),
        explain: (inquiry) => answers.explain(this.#inquiryOf(inquiry)),
      },
      {
        // A worker that fails to follow the control plane must not go on with backends of its own.
        onError(error) {
          throw error
        },
      },
    )
    this.tell({ kind: 'applied', revision })
  }

  /** Tells the control plane something, once the worker has started. */
  tell(message: WorkerMessage): void {
    this.#channel?.tell('news', message)
  }

  close(): void {
    this.#cancelBeat()
    this.#channel?.close()
  }

  #inquiryOf({ except, ...traits }: SentInquiry): Inquiry {
    const backends = except
      .map((row) => this.#pool.registry.at(row))
      .filter((backend) => backend !== undefined)
    return { ...traits, except: new Set(backends) }
  }

  #apply({ revision, changes }: PoolUpdate): void {
    const { registry } = this.#pool
    const cuts: (() => void)[] = []
    registry.batch(() => {
      for (const change of changes) {
        if (change.kind === 'backend') registry.follow(change.backend)
        else if (change.kind === 'removed') {
          registry.leave(change.row)
          this.#hosts.delete(change.row)
        } else if (change.kind === 'policy') this.#pool.usePolicy(change.name)
        else if (change.kind === 'rows') this.#table.blocks.attach(change.index, change.block)
        else if (change.kind === 'options') this.#pool.useOptions(change.options)
        else {
          const backend = registry.at(change.row)
          if (!backend) continue
          if (change.kind === 'renewed') this.#pool.renewed(backend)
          // A request that is cut may be given to another backend, so the set of backends has to be up to date.
          else cuts.push(() => registry.cut(backend, change.why))
        }
      }
    })
    for (const cut of cuts) cut()
    this.tell({ kind: 'applied', revision })
  }

  #beat(): void {
    this.#own[poolColumn.beat] = (this.#own[poolColumn.beat] as number) + 1
    this.#tellHosts()
    this.#cancelBeat = this.#pool.clock.after(BEAT_INTERVAL_MS, () => this.#beat())
  }

  /** Tells which Host fields requests have, as the active checks of the control plane may send them. */
  #tellHosts(): void {
    const { registry } = this.#pool
    let left = MAX_HOSTS_PER_BEAT
    const tell = (row: number, host: string | undefined) => {
      if (host === undefined || this.#hosts.get(row) === host || left-- <= 0) return
      this.#hosts.set(row, host)
      this.tell({ kind: 'host', row, host })
    }
    tell(0, registry.refusedHost)
    for (const { row, clientHost } of registry.list()) tell(row, clientHost)
  }
}
