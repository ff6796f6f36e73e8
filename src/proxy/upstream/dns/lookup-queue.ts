import type { LookupAddress } from 'node:dns'
import type { Clock } from '../../../balancer/time/clock.js'

/** Receives all addresses of a name, in the order in which they are to be tried, or the reason why there are none. */
export type LookUpCallback = (
  error: NodeJS.ErrnoException | null,
  addresses: readonly LookupAddress[],
) => void

/** Asks for all addresses of a name. */
export type LookUp = (name: string, done: LookUpCallback) => void

/** A name to be looked up. */
export interface LookupJob {
  readonly name: string
  /** Whether the system was asked and has not answered for so long that the name servers are asked as well. */
  isHanging: boolean
}

export interface LookupListener<Job> {
  /** Called when the name has been looked up, once for each time that it was queued. */
  onDone(job: Job, error: NodeJS.ErrnoException | undefined, addresses: readonly LookupAddress[]): void
  /** Called when the system has answered late, and no longer hangs. There may be no addresses. */
  onLate(job: Job, addresses: readonly LookupAddress[]): void
}

/**
 * Largest number of concurrent look-ups. They cannot be cancelled, and a thousand of them would delay an urgent one.
 */
const MAX_LOOK_UPS = 8
/** Time after which a look-up counts as hanging, and no longer towards that number. */
const HANG_MS = 1000

/** Looks up names, a few at a time. Names for which a request waits come first. */
export class LookupQueue<Job extends LookupJob> {
  readonly #lookUp: LookUp
  readonly #direct: LookUp | undefined
  readonly #clock: Clock
  readonly #listener: LookupListener<Job>
  readonly #urgent = new Set<Job>()
  readonly #others = new Set<Job>()
  #running = 0

  /**
   * @param lookUp asks the system
   * @param direct asks the name servers where the system hangs: what they find is used, and where they find nothing the system
   *   may still know something
   */
  constructor(lookUp: LookUp, direct: LookUp | undefined, clock: Clock, listener: LookupListener<Job>) {
    this.#lookUp = lookUp
    this.#direct = direct
    this.#clock = clock
    this.#listener = listener
  }

  add(job: Job): void {
    this.#others.add(job)
    this.#startNext()
  }

  /** Moves a name ahead, because a request waits for it. This has no effect once its look-up was started. */
  makeUrgent(job: Job): void {
    if (this.#others.delete(job)) this.#urgent.add(job)
  }

  /** Removes a name. Returns whether it was still in the queue. */
  remove(job: Job): boolean {
    return this.#urgent.delete(job) || this.#others.delete(job)
  }

  #startNext(): void {
    while (this.#running < MAX_LOOK_UPS) {
      const [job] = this.#urgent.size > 0 ? this.#urgent : this.#others
      if (!job) return
      this.remove(job)
      this.#start(job)
    }
  }

  #start(job: Job): void {
    this.#running++
    let isCounted = true
    const uncount = () => {
      if (!isCounted) return
      isCounted = false
      this.#running--
      this.#startNext()
    }
    let isDone = false
    const done = (error: NodeJS.ErrnoException | undefined, addresses: readonly LookupAddress[]) => {
      if (isDone) return
      isDone = true
      this.#listener.onDone(job, error, addresses)
      uncount()
    }
    if (job.isHanging) {
      // The system has not answered the earlier question yet, and is not asked again.
      this.#direct?.(job.name, (_error, addresses) => done(undefined, addresses))
      return
    }
    const cancelHang = this.#clock.after(HANG_MS, () => {
      uncount()
      if (!this.#direct) return
      job.isHanging = true
      this.#direct(job.name, (_error, addresses) => {
        if (addresses.length > 0) done(undefined, addresses)
      })
    })
    const answered: LookUpCallback = (error, addresses) => {
      cancelHang()
      job.isHanging = false
      if (isDone) this.#listener.onLate(job, error ? [] : addresses)
      else done(error ?? undefined, addresses)
    }
    try {
      this.#lookUp(job.name, answered)
    } catch (error) {
      answered(error as Error, [])
    }
  }
}
