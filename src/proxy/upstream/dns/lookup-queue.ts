import type { LookupAddress } from 'node:dns'
import type { Clock } from '../../../balancer/time/clock.js'

/**
 * Receives all addresses of a name, in the order in which they are to be tried, or the error for which there are none.
 */
export type LookUpCallback = (
  error: NodeJS.ErrnoException | null,
  addresses: readonly LookupAddress[],
) => void

/** Asks the system or the name servers for all addresses of a name. */
export type LookUp = (name: string, done: LookUpCallback) => void

/** A name that is to be looked up. */
export interface LookupJob {
  readonly name: string
  /** True if the system has not answered for so long that the name servers are asked as well. */
  isHanging: boolean
}

export interface LookupListener<Job> {
  /** Called when a name has been looked up, once for each time that the name was queued. */
  onDone(job: Job, error: NodeJS.ErrnoException | undefined, addresses: readonly LookupAddress[]): void
  /** Called when the system has answered late, so that it no longer hangs. The list of addresses may be empty. */
  onLate(job: Job, addresses: readonly LookupAddress[]): void
}

/**
 * Largest number of concurrent look-ups. A look-up cannot be cancelled, and a thousand look-ups would delay an urgent
 * one.
 */
const MAX_LOOK_UPS = 8
/** Milliseconds after which a look-up counts as hanging, and no longer counts towards that largest number. */
const HANG_MS = 1000

/** Looks up names, a few at a time. Names for which a request waits are looked up first. */
export class LookupQueue<Job extends LookupJob> {
  readonly #lookUp: LookUp
  readonly #direct: LookUp | undefined
  readonly #clock: Clock
  readonly #listener: LookupListener<Job>
  readonly #urgent = new Set<Job>()
  readonly #others = new Set<Job>()
  #running = 0

  /**
   * Begins with an empty queue.
   * @param lookUp asks the system for a name's addresses
   * @param direct asks the name servers if the system hangs. Addresses that they find are used; if they find none, the
   *   system may still know some.
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

  /** Moves a name ahead, because a request waits for it. This has no effect once the name's look-up was started. */
  makeUrgent(job: Job): void {
    if (this.#others.delete(job)) this.#urgent.add(job)
  }

  /** Removes a name from the queue. Returns true if the name was still queued. */
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
      // The system has not answered the earlier question for this name yet, so it is not asked again.
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
