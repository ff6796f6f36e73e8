import { randomBytes } from 'node:crypto'
import { StoreConflictError, StoreOutcomeError } from '../../balancer/errors.js'
import type { PoolFleet } from '../../balancer/fleet/pool-fleet.js'
import {
  type BackendStore,
  historyOf,
  type PoolState,
  type Restored,
  type StoredState,
  type StoreRevision,
} from '../../balancer/state/store.js'
import { parseJson } from '../../text/json-fault.js'
import { type RedisConnection, StoreAwayError } from './connection.js'
import { loadScript, restoreScript, saveScript } from './pool-state-scripts.js'
import type { RevisionWatch } from './revision-watch.js'
import { ANSWER_TIMEOUT_MS, type Script } from './script.js'

const revisionForm = /^(\d{1,15})-\w+$/

/** What the pools of a store share. */
export interface PoolStateParts {
  readonly connection: RedisConnection
  readonly revisions: RevisionWatch
  readonly fleet: PoolFleet
  /** Called before the store is used. */
  opened(): void
  /** Called when the store is not used any more. */
  closed(): Promise<void>
}

/** Keeps the state of one pool in a hash of the store, see {@link saveScript}. */
export class RedisPoolState implements BackendStore {
  readonly name: string
  readonly #parts: PoolStateParts
  readonly #pool: string
  readonly #key: string
  /** The content that this pool has loaded, saved or restored last. */
  #known: StoreRevision | undefined
  /** The revision that is being written. */
  #writing: string | undefined

  constructor(pool: string, parts: PoolStateParts) {
    this.#pool = pool
    this.#parts = parts
    this.#key = parts.connection.key(`pool:${pool}`)
    this.name = `the store ${parts.connection.displayed} (key ${this.#key})`
  }

  get fleet(): PoolFleet {
    return this.#parts.fleet
  }

  get isAway(): boolean {
    return this.#parts.connection.isAway
  }

  async load(): Promise<StoredState | undefined> {
    this.#parts.opened()
    const { connection } = this.#parts
    await connection.ready()
    const [revision, state] = (await connection.run(loadScript, [this.#key], [])) as (string | null)[]
    if (revision === null && state === null) {
      this.#known = undefined
      return undefined
    }
    if (!revision || !revisionForm.test(revision)) throw new Error('it has no revision of leastwise')
    if (!state) throw new Error('it has a revision, and no state')
    let parsed: PoolState
    try {
      parsed = parseJson(state) as PoolState
    } catch (error) {
      throw new Error(`its state is not JSON: ${(error as Error).message}`)
    }
    this.#known = revision
    return { state: parsed, revision }
  }

  async save(state: PoolState, expectedRevision?: StoreRevision): Promise<string> {
    this.#parts.opened()
    const before = expectedRevision === undefined ? '' : String(expectedRevision)
    const number = Number(revisionForm.exec(before)?.[1] ?? 0) + 1
    const revision = `${number}-${historyOf(before) ?? random()}${random()}`
    const [done] = await this.#write(saveScript, state, revision, [before])
    if (done === 'conflict') throw new StoreConflictError(this.name)
    this.#known = revision
    return revision
  }

  async restore(state: PoolState, revision: StoreRevision): Promise<Restored> {
    this.#parts.opened()
    const [done, found] = await this.#write(restoreScript, state, String(revision), [])
    const isWritten = done === 'written'
    if (isWritten || found === String(revision)) this.#known = found
    return { isWritten, revision: found }
  }

  watch(onChange: () => void): () => void {
    return this.#parts.revisions.watch(this.#pool, this.#key, (revision) => {
      if (revision !== String(this.#known ?? '') && revision !== this.#writing) onChange()
    })
  }

  onPresence(listener: (away?: Error) => void): () => void {
    const { connection } = this.#parts
    const away = (error: Error) => listener(error)
    const back = () => listener()
    connection.on('away', away)
    connection.on('back', back)
    return () => {
      connection.off('away', away)
      connection.off('back', back)
    }
  }

  async close(): Promise<void> {
    await this.#parts.closed()
  }

  /** Runs a script that writes. It carries the time after which the store must not carry it out any more. */
  async #write(
    script: Script,
    state: PoolState,
    revision: string,
    more: readonly string[],
  ): Promise<[string, string]> {
    const { connection, revisions } = this.#parts
    const args = [
      Math.floor(connection.now()) + ANSWER_TIMEOUT_MS,
      revision,
      textOf(state),
      revisions.channel,
      revisions.messageOf(this.#pool, revision),
      ...more,
    ]
    this.#writing = revision
    let answer: [string, string]
    try {
      answer = (await connection.run(script, [this.#key], args)) as [string, string]
    } catch (error) {
      if (error instanceof StoreAwayError && error.mayBeDone)
        throw new StoreOutcomeError(this.name, revision, error.why)
      throw error
    } finally {
      this.#writing = undefined
    }
    if (answer[0] === 'foreign') throw new Error('it has something that this version did not write')
    if (answer[0] === 'late') throw new StoreAwayError(`the change reached it too late`)
    return answer
  }
}

/** Returns 12 characters. */
function random(): string {
  return randomBytes(6).toString('hex')
}

/** Returns the state as JSON that begins with its version. */
function textOf({ version, ...rest }: PoolState): string {
  return JSON.stringify({ version, ...rest })
}
