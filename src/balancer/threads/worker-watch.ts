import type { Clock } from '../time/clock.js'
import type { PoolWorker } from './pool-worker.js'
import { type PoolTable, poolColumn } from './table.js'

/** Interval in which it is looked whether the event loops of all workers turn. */
const LOOK_INTERVAL_MS = 500

/** The workers that are watched. */
interface Watched {
  readonly list: readonly PoolWorker[]
  readonly table: PoolTable
}

/** Looks whether the event loops of workers turn. */
export class WorkerWatch {
  readonly #clock: Clock
  readonly #watched: Watched
  readonly #onSilent: (worker: PoolWorker) => void
  #cancel = () => {}

  /** @param onSilent called once with each worker whose event loop does not turn any more */
  constructor(clock: Clock, watched: Watched, onSilent: (worker: PoolWorker) => void) {
    this.#clock = clock
    this.#watched = watched
    this.#onSilent = onSilent
  }

  start(): void {
    const now = this.#clock.now()
    const { list, table } = this.#watched
    for (const worker of list) {
      const beat = table.pool.of(worker.handle.worker, 0)[poolColumn.beat] as number
      if (worker.becameSilent(beat, now)) this.#onSilent(worker)
    }
    this.stop()
    this.#cancel = this.#clock.after(LOOK_INTERVAL_MS, () => this.start())
  }

  stop(): void {
    this.#cancel()
  }
}
