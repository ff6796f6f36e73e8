// Over 200 lines: all that queues of several threads say to each other, which must be read as one.
import type { CalledQueue, OtherQueues } from '../leases/other-queues.js'
import type { Clock } from '../time/clock.js'
import { CALL_WORDS, callWord, type PoolTable, poolColumn, poolWord } from './table.js'

/**
 * Of two requests in different threads, the one that waits in the thread where a slot becomes free is served first
 * unless the other one has waited longer than it by more than this. So short queues need no wake-up.
 */
const GRAIN_MS = 2
/** A free slot waits this long for a thread that was called, before others may use the slot. */
const PATIENCE_MS = 5
/** A call that was not answered for this long is not waited for when slots are counted that only a timer found. */
const LOST_AFTER_MS = 50

/** The parts of a pool that say what is free. */
export interface SlotSources {
  readonly registry: {
    /** Number of further requests that the backends may be given. */
    readonly freeSlots: number
  }
  readonly selection: {
    /** True if a backend might be found for some request. */
    readonly hasCandidates: boolean
  }
}

/**
 * The queues of threads that share a pool. Each thread has its own queue, and publishes since when its first request
 * waits. A slot that becomes free belongs to the thread whose first request has waited longest. If that is another
 * thread, it is called: its doorbell is rung, and it serves its queue. What it cannot use it passes on.
 *
 * A thread may be busy and not hear the call. The slot then waits for it for 5 ms. After that it is late: others use
 * free slots, but leave it one for as long again as its first request had waited when it was called. After that it is
 * passed over until it hears the call.
 *
 * No wake-up is lost: who begins to wait publishes that first and looks for a slot then, and who frees a slot does that
 * first and looks for waiting requests then.
 */
export class SharedQueues implements OtherQueues {
  readonly #table: PoolTable
  readonly #words: Int32Array
  readonly #calls: Int32Array
  /** Number of this worker; -1 in the control plane, where no request waits. */
  readonly #worker: number
  /** This worker's own numbers; undefined in the control plane. */
  readonly #own: Float64Array | undefined
  /** The numbers of each worker, to read. */
  readonly #columns: Float64Array[]
  readonly #clock: Clock
  readonly #slots: SlotSources
  #queue: CalledQueue | undefined
  /** The round in which this thread last looked at the backends. */
  #lookedIn = 0
  /** Number of slots to be left to late workers, as the latest call of {@link #next} found it. */
  #kept = 0
  #cancelWatch: (() => void) | undefined
  #stopListening = () => {}

  constructor(table: PoolTable, worker: number | undefined, clock: Clock, slots: SlotSources) {
    this.#table = table
    this.#words = table.words
    this.#calls = table.calls
    this.#worker = worker ?? -1
    this.#own = worker === undefined ? undefined : table.pool.of(worker, 0)
    this.#columns = Array.from({ length: table.workers }, (_, number) => table.pool.of(number, 0))
    this.#clock = clock
    this.#slots = slots
  }

  get waiting(): number {
    return Atomics.load(this.#words, poolWord.waiting)
  }

  get isCalling(): boolean {
    const now = inWord(this.#clock.now())
    return this.#columns.some((column, worker) => {
      const calledAt = this.#calledAt(worker)
      return column[poolColumn.waiting] !== 0 && calledAt !== 0 && ((now - calledAt) | 0) < LOST_AFTER_MS
    })
  }

  begin(queue: CalledQueue): void {
    this.#queue = queue
    if (!this.#own) return
    Atomics.store(this.#calls, this.#worker * CALL_WORDS + callWord.missed, -1)
    this.#stopListening = this.#table.bells.listen(this.#worker, () => {
      queue.serve()
      if (queue.isFull) queue.relieve()
    })
  }

  enter(limit: number, since: number): boolean {
    const own = this.#own as Float64Array
    // Who finds that the request waits must also find since when.
    if (own[poolColumn.waiting] === 0) own[poolColumn.waitingSince] = since
    for (;;) {
      const waiting = Atomics.load(this.#words, poolWord.waiting)
      if (waiting >= limit) return false
      if (Atomics.compareExchange(this.#words, poolWord.waiting, waiting, waiting + 1) !== waiting) continue
      own[poolColumn.waiting] = (own[poolColumn.waiting] as number) + 1
      return true
    }
  }

  leave(since: number | undefined): void {
    const own = this.#own as Float64Array
    if (since !== undefined) this.firstSince(since)
    Atomics.sub(this.#words, poolWord.waiting, 1)
    own[poolColumn.waiting] = (own[poolColumn.waiting] as number) - 1
  }

  firstSince(since: number): void {
    const own = this.#own as Float64Array
    own[poolColumn.waitingSince] = since
  }

  renew(): void {
    Atomics.add(this.#words, poolWord.round, 1)
  }

  look(): void {
    // The call is answered before the backends are looked at: a slot that becomes free later is worth another call.
    if (this.#own) Atomics.store(this.#calls, this.#worker * CALL_WORDS + callWord.calledAt, 0)
    this.#lookedIn = Atomics.load(this.#words, poolWord.round)
  }

  missed(): void {
    Atomics.store(this.#calls, this.#worker * CALL_WORDS + callWord.missed, this.#lookedIn)
  }

  isTurnOf(since: number): boolean {
    if (this.waiting === this.#own?.[poolColumn.waiting]) return true
    return this.#next(since) === -1 && (this.#kept === 0 || this.#slots.registry.freeSlots > this.#kept)
  }

  passOn(before = Number.POSITIVE_INFINITY): void {
    if (this.waiting === 0 || !this.#slots.selection.hasCandidates) return
    const next = this.#next(before)
    const kept = this.#kept
    if (next !== -1 && (kept === 0 || this.#slots.registry.freeSlots > kept)) this.#call(next)
    if (next !== -1 || kept > 0) this.#watch()
  }

  servedByTimer(requests: number): void {
    const own = this.#own as Float64Array
    own[poolColumn.servedByTimer] = (own[poolColumn.servedByTimer] as number) + requests
  }

  /** Takes the requests of a worker that has ended off the counts. Only the control plane may do that. */
  ended(worker: number): void {
    const column = this.#columns[worker] as Float64Array
    Atomics.sub(this.#words, poolWord.waiting, column[poolColumn.waiting] as number)
    column[poolColumn.waiting] = 0
    Atomics.store(this.#calls, worker * CALL_WORDS + callWord.calledAt, 0)
  }

  close(): void {
    this.#stopListening()
    this.#cancelWatch?.()
    this.#cancelWatch = undefined
  }

  /**
   * Returns the other worker whose first request has waited longest, of those that came before a time and that are
   * neither late nor without a use for what is free; -1 for none. Counts the slots to be kept for those that are late.
   */
  #next(before: number): number {
    const round = Atomics.load(this.#words, poolWord.round)
    const now = inWord(this.#clock.now())
    let next = -1
    let earliest = before - GRAIN_MS
    this.#kept = 0
    for (let worker = 0; worker < this.#columns.length; worker++) {
      const column = this.#columns[worker] as Float64Array
      const since = column[poolColumn.waitingSince] as number
      if (column[poolColumn.waiting] === 0 || since >= before - GRAIN_MS || worker === this.#worker) continue
      if (Atomics.load(this.#calls, worker * CALL_WORDS + callWord.missed) === round) continue
      const calledAt = this.#calledAt(worker)
      const calledFor = calledAt === 0 ? 0 : (now - calledAt) | 0
      if (calledFor >= PATIENCE_MS) {
        if (calledFor < ((calledAt - inWord(since)) | 0)) this.#kept++
      } else if (since < earliest) {
        earliest = since
        next = worker
      }
    }
    return next
  }

  #calledAt(worker: number): number {
    return Atomics.load(this.#calls, worker * CALL_WORDS + callWord.calledAt)
  }

  /** Calls a worker, unless it was called already and has not answered. */
  #call(worker: number): void {
    const at = worker * CALL_WORDS + callWord.calledAt
    if (Atomics.compareExchange(this.#calls, at, 0, inWord(this.#clock.now())) === 0) {
      this.#table.bells.ring(worker)
    }
  }

  /** Looks again after a while, in case the thread that was called does not come. */
  #watch(): void {
    this.#cancelWatch ??= this.#clock.after(PATIENCE_MS + 1, () => {
      this.#cancelWatch = undefined
      this.#queue?.serve()
    })
  }
}

/** Returns monotonic milliseconds as an Int32 other than 0, which wraps around: differences of up to 24 days are right. */
function inWord(milliseconds: number): number {
  return Math.trunc(milliseconds) | 0 || 1
}
