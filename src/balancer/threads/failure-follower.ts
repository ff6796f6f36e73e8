import type { Backend } from '../backends/backend.js'
import type { ShareLimits } from '../health/share-limits.js'
import type { Clock } from '../time/clock.js'
import type { FailureNews } from './failure-news.js'

/** The parts of a worker's pool that follow what other threads found out. */
export interface LimitedPool {
  readonly limits: Pick<ShareLimits, 'failed' | 'shareOf'>
  readonly clock: Clock
  list(): Backend[]
  /** Returns the backend with this row; undefined where this thread does not know it. */
  at(row: number): Backend | undefined
}

/** Limits the backends that failed in other threads, before this thread chooses again. */
export class FailureFollower {
  readonly #news: FailureNews
  readonly #pool: LimitedPool

  constructor(news: FailureNews, pool: LimitedPool) {
    this.#news = news
    this.#pool = pool
  }

  /** True if a backend failed in another thread since the last call of {@link catchUp}. */
  get isBehind(): boolean {
    return this.#news.isNew
  }

  /** Limits the backends that were in slow start, or had failed, before this thread took part. */
  begin(): void {
    const { clock, limits } = this.#pool
    for (const backend of this.#pool.list())
      if (limits.shareOf(backend, clock.now()) < 1) limits.failed(backend)
  }

  catchUp(): void {
    const rows = this.#news.hear()
    if (rows) for (const row of rows) this.#limit(this.#pool.at(row))
    else for (const backend of this.#pool.list()) this.#limit(backend)
  }

  #limit(backend: Backend | undefined): void {
    if (backend && backend.healthMemory.failureMark !== 0) this.#pool.limits.failed(backend)
  }
}
