import { LOAD_STEPS, type LoadCounter, reliefOf, type SharedWaits } from '../leases/load-counter.js'
import type { Outcome } from '../leases/outcome.js'
import { column, MAX_INT32, measure, type PoolTable, word } from './table.js'

/** Counts of a backend that threads share. @see LoadCounter */
export class SharedLoadCounter implements LoadCounter, SharedWaits {
  readonly waits = this
  readonly ended: Readonly<Record<Outcome, number>>
  readonly #table: PoolTable
  readonly #words: Int32Array
  readonly #row: number
  #tunnelWeight: number
  /** The index in the table of the number of requests in flight, which begins the row. */
  readonly #at: number
  /** This worker's own numbers; undefined in the control plane, which carries no request. */
  readonly #own: Float64Array | undefined
  readonly #measures: Float64Array

  /**
   * @param worker number of this worker; undefined in the control plane
   * @param tunnelWeight the weight in `load` of a tunnel without traffic, in percent of the weight of a request
   */
  constructor(table: PoolTable, row: number, worker: number | undefined, tunnelWeight: number) {
    this.#table = table
    this.#words = table.words
    this.#row = row
    this.#tunnelWeight = tunnelWeight
    this.#at = table.wordAt(row, word.inFlight)
    this.#own = worker === undefined ? undefined : table.columns.of(worker, row)
    this.#measures = table.blocks.measuresOf(row)
    this.ended = sums(table, row)
  }

  get inFlight(): number {
    return this.#words[this.#at] as number
  }

  get slots(): number {
    const slots = this.#words[this.#at + word.slots] as number
    return slots === MAX_INT32 ? Number.POSITIVE_INFINITY : slots
  }

  /** A worker goes by what the control plane has set. */
  set slots(slots: number) {
    if (!this.#own) Atomics.store(this.#words, this.#at + word.slots, Math.min(MAX_INT32, slots))
  }

  get tunnels(): number {
    return this.#words[this.#at + word.tunnels] as number
  }

  get residual(): number {
    return this.#words[this.#at + word.residual] as number
  }

  get load(): number {
    return this.ownLoad + (this.#words[this.#at + word.extraLoad] as number) / LOAD_STEPS
  }

  get ownLoad(): number {
    const quiet = this.#words[this.#at + word.quietTunnels] as number
    return this.inFlight - reliefOf(quiet, this.#tunnelWeight)
  }

  get inFlightElsewhere(): number {
    return this.#measures[measure.inFlightElsewhere] as number
  }

  get countedElsewhere(): number {
    return this.#measures[measure.countedElsewhere] as number
  }

  get total(): number {
    return this.#table.columns.sum(this.#row, column.total)
  }

  claim(limit: number, seen: number | undefined): number {
    const words = this.#words
    const own = this.#own
    if (!own) throw new Error('the control plane of a pool carries no request')
    for (;;) {
      const inFlight = Atomics.load(words, this.#at)
      if (inFlight >= limit || (seen !== undefined && inFlight !== seen)) return 0
      if (Atomics.compareExchange(words, this.#at, inFlight, inFlight + 1) !== inFlight) continue
      // A thread is ended only at a call or a loop, so these lines follow the exchange in any case: the control plane
      // takes off what this column says when the thread has ended.
      own[column.inFlight] = (own[column.inFlight] as number) + 1
      own[column.total] = (own[column.total] as number) + 1
      this.#stamp()
      return inFlight + 1
    }
  }

  end(outcome: Outcome): void {
    const own = this.#own as Float64Array
    Atomics.sub(this.#words, this.#at, 1)
    own[column.inFlight] = (own[column.inFlight] as number) - 1
    own[column[outcome]] = (own[column[outcome]] as number) + 1
    this.#stamp()
  }

  addTunnels(tunnels: number, quiet: number): void {
    const own = this.#own as Float64Array
    Atomics.add(this.#words, this.#at + word.tunnels, tunnels)
    own[column.tunnels] = (own[column.tunnels] as number) + tunnels
    Atomics.add(this.#words, this.#at + word.quietTunnels, quiet)
    own[column.quietTunnels] = (own[column.quietTunnels] as number) + quiet
    this.#stamp()
  }

  weighTunnels(tunnelWeight: number): void {
    this.#tunnelWeight = tunnelWeight
  }

  addResidual(): void {
    Atomics.add(this.#words, this.#at + word.residual, 1)
    Atomics.add(this.#words, this.#at + word.extraLoad, LOAD_STEPS)
  }

  clearResidual(): void {
    const residual = Atomics.exchange(this.#words, this.#at + word.residual, 0)
    Atomics.sub(this.#words, this.#at + word.extraLoad, residual * LOAD_STEPS)
  }

  /** To be called in the control plane only. */
  setElsewhere(inFlight: number, counted: number): void {
    this.#measures[measure.inFlightElsewhere] = inFlight
    const steps = (counted - this.countedElsewhere) * LOAD_STEPS
    this.#measures[measure.countedElsewhere] = counted
    Atomics.add(this.#words, this.#at + word.extraLoad, steps)
  }

  note(since: number | undefined): void {
    // 0 would mean that no answer is awaited.
    if (this.#own) this.#own[column.awaitedSince] = since === undefined ? 0 : since || Number.MIN_VALUE
  }

  longest(): number | undefined {
    let longest = Number.POSITIVE_INFINITY
    let isAwaited = false
    for (let worker = 0; worker < this.#table.workers; worker++) {
      const since = this.#table.columns.at(worker, this.#row, column.awaitedSince)
      if (since === 0) continue
      isAwaited = true
      if (since < longest) longest = since
    }
    return isAwaited ? longest : undefined
  }

  /** Notes that the load changed just now: among equal loads, the one that is the oldest is chosen next. */
  #stamp(): void {
    Atomics.store(this.#words, this.#at + word.changed, this.#table.nextStamp())
  }
}

/**
 * Takes off the requests in flight of a worker that has ended: they count as cancelled, because no backend is to blame.
 * Its other numbers stay.
 */
export function takeOffColumn(table: PoolTable, worker: number, row: number): number {
  const own = table.columns.of(worker, row)
  const inFlight = own[column.inFlight] as number
  const at = table.wordAt(row, 0)
  Atomics.sub(table.words, at + word.inFlight, inFlight)
  Atomics.sub(table.words, at + word.tunnels, own[column.tunnels] as number)
  Atomics.sub(table.words, at + word.quietTunnels, own[column.quietTunnels] as number)
  own[column.cancelled] = (own[column.cancelled] as number) + inFlight
  for (const one of ['inFlight', 'tunnels', 'quietTunnels', 'awaitedSince'] as const) own[column[one]] = 0
  return inFlight
}

/** The numbers of requests that ended, each added up over all workers when it is read. */
function sums(table: PoolTable, row: number): Readonly<Record<Outcome, number>> {
  const sum = (outcome: Outcome) => table.columns.sum(row, column[outcome])
  return {
    get ok() {
      return sum('ok')
    },
    get failed() {
      return sum('failed')
    },
    get cancelled() {
      return sum('cancelled')
    },
    get doubtful() {
      return sum('doubtful')
    },
  }
}
