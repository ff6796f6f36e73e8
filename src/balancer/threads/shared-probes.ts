import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import { REPEATABLE_ONLY_PART } from '../health/half-open-probes.js'
import { markOf } from '../health/health-memory.js'
import type { RequestTraits } from '../leases/lease-request.js'
import type { Clock } from '../time/clock.js'
import { measure, type PoolTable, poolWord, word } from './table.js'

/** The values of `word.probe`; from TAKEN on it is TAKEN plus the number of the worker that probes the backend. */
export const probeWord = { none: 0, due: 1, taken: 2 } as const

/** What the threads of a pool have to know to find probes. */
export interface ProbedPool {
  readonly table: PoolTable
  readonly registry: Registry
  readonly clock: Clock
  /** Milliseconds of the base ejection time. */
  baseMs: number
}

/**
 * The probes of ejected backends in a pool that threads share. The control plane makes a backend due. The worker that
 * changes its word first has the probe, so that there are never two at once.
 */
export class SharedProbes {
  /** The backends that are ejected, as far as this thread knows. */
  protected readonly ejected = new Set<Backend>()
  protected readonly pool: ProbedPool

  constructor(pool: ProbedPool) {
    this.pool = pool
  }

  configure(baseMs: number): void {
    this.pool.baseMs = baseMs
  }

  get anyDue(): boolean {
    return (this.pool.table.words[poolWord.due] as number) > 0
  }

  /** Returns the backend that waits longest for a probe, of those that this request may probe. @see HalfOpenProbes */
  next({ except, repeatable = true }: RequestTraits): Backend | undefined {
    if (!this.anyDue) return undefined
    const { registry, clock, baseMs } = this.pool
    const latest = clock.now() - (repeatable ? 0 : baseMs * REPEATABLE_ONLY_PART)
    let first: Backend | undefined
    for (const backend of this.ejected) {
      if (this.stateOf(backend) !== probeWord.due || this.dueSince(backend) > latest) continue
      if (first && this.dueSince(first) <= this.dueSince(backend)) continue
      if (backend.backup && !registry.usesBackups) continue
      const isReady = backend.state === 'active' && backend.health === 'ejected' && !backend.isFull
      if (isReady && !except?.has(backend)) first = backend
    }
    return first
  }

  waitsFor(backend: Backend): 'time' | 'request' | 'trial' {
    const state = this.stateOf(backend)
    if (state === probeWord.due) return 'request'
    return state === probeWord.none ? 'time' : 'trial'
  }

  protected stateOf({ row }: Backend): number {
    const { table } = this.pool
    return Atomics.load(table.words, table.wordAt(row, word.probe))
  }

  /** Changes the state of a backend's probe. Returns false if it is not `from`. */
  protected change({ row }: Backend, from: number, to: number): boolean {
    const { table, clock } = this.pool
    const at = table.wordAt(row, word.probe)
    if (to === probeWord.due) table.blocks.measuresOf(row)[measure.dueAt] = markOf(clock.now())
    if (Atomics.compareExchange(table.words, at, from, to) !== from) return false
    const change = Number(to === probeWord.due) - Number(from === probeWord.due)
    if (change !== 0) Atomics.add(table.words, poolWord.due, change)
    return true
  }

  /** Wakes all workers, so that requests that wait may probe a backend that is due. */
  protected wake(): void {
    const { bells, workers } = this.pool.table
    for (let worker = 0; worker < workers; worker++) bells.ring(worker)
  }

  private dueSince({ row }: Backend): number {
    return this.pool.table.blocks.measuresOf(row)[measure.dueAt] as number
  }
}
