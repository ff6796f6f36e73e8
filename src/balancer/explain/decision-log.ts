import type { Lease } from '../leases/lease.js'
import type { Cause } from '../leases/outcome.js'
import { type PolicyName, policyNames } from '../selection/policies/index.js'
import type { Clock } from '../time/clock.js'
import {
  type Decision,
  type DecisionFilter,
  type DecisionKind,
  decisionKinds,
  type TimedDecision,
} from './decision.js'

/** Number of decisions that are kept. */
export const DECISIONS_KEPT = 1000
/**
 * Smallest shift of the wall clock against the monotonic clock after which decisions are shown with corrected dates.
 */
const CLOCK_STEP_MS = 100
/** The index of each of a decision's numbers, and the count of these numbers. */
const AT = 0
const WAITED = 1
const IN_FLIGHT = 2
const LOAD = 3
const ELIGIBLE = 4
const POLICY = 5
const KIND = 6
const ID_LENGTH = 7
const ELSEWHERE = 8
const FIELD_COUNT = 9
/** Number of characters of a request's id that are kept. */
const MAX_ID_LENGTH = 128

/**
 * The latest decisions, in a ring buffer. A decision is written for each request and hardly ever read, so decisions are
 * stored as numbers in arrays that are allocated once: an object, or an id as a string, would be garbage to collect for
 * each request. Ids of requests are stored as character codes.
 */
export class DecisionLog {
  readonly #clock: Clock
  /** {@link FIELD_COUNT} numbers for each decision. */
  readonly #numbers = new Float64Array(DECISIONS_KEPT * FIELD_COUNT)
  /** The ids of the backends. These strings exist as long as the backends, so none is allocated here. */
  readonly #backend = new Array<string>(DECISIONS_KEPT).fill('')
  readonly #id = new Uint16Array(DECISIONS_KEPT * MAX_ID_LENGTH)
  /** The reason for which the backend failed the request; undefined where it did not. */
  readonly #cause = new Array<Cause | undefined>(DECISIONS_KEPT).fill(undefined)
  /** The date in milliseconds at which monotonic time was 0. */
  #epoch = 0
  #count = 0
  #next = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Records the choice of a backend.
   * @param kind one of {@link decisionKindNumbers}
   * @param policy index of the policy in {@link policyNames}
   * @param eligible number of backends that could be chosen from
   * @param request the request's id
   * @param since monotonic milliseconds at which the request began to wait; by default it did not wait
   */
  add(
    kind: number,
    lease: Lease,
    policy: number,
    eligible: number,
    request: string | undefined,
    since = lease.acquiredAt,
  ): void {
    const { backend, inFlight, acquiredAt } = lease
    const i = this.#next
    lease.place = i
    this.#next = i + 1 === DECISIONS_KEPT ? 0 : i + 1
    if (this.#count < DECISIONS_KEPT) this.#count++
    this.#backend[i] = backend.id
    this.#cause[i] = undefined
    // An app's own id generator may return something that is no string.
    const length = typeof request === 'string' ? Math.min(MAX_ID_LENGTH, request.length) : 0
    const numbers = this.#numbers
    const slot = i * FIELD_COUNT
    numbers[slot + AT] = acquiredAt
    numbers[slot + WAITED] = acquiredAt - since
    numbers[slot + IN_FLIGHT] = inFlight
    numbers[slot + LOAD] = backend.load
    numbers[slot + ELIGIBLE] = eligible
    numbers[slot + POLICY] = policy
    numbers[slot + KIND] = kind
    numbers[slot + ID_LENGTH] = length
    numbers[slot + ELSEWHERE] = backend.inFlightElsewhere
    for (let c = 0, at = i * MAX_ID_LENGTH; c < length; c++, at++)
      this.#id[at] = (request as string).charCodeAt(c)
  }

  /** Records that the chosen backend failed the request of this lease. */
  failed(lease: Lease): void {
    const { place, backend, acquiredAt, inFlight, cause } = lease
    // A newer decision may have overwritten this one.
    const slot = place * FIELD_COUNT
    const numbers = this.#numbers
    const same = numbers[slot + AT] === acquiredAt && numbers[slot + IN_FLIGHT] === inFlight
    if (same && this.#backend[place] === backend.id) this.#cause[place] = cause
  }

  /** Returns the decisions that match the filter, the latest first. */
  list(filter?: DecisionFilter): Decision[] {
    return this.dated(this.timed(filter))
  }

  /** Gives decisions their dates. They may be of other threads whose clocks have the same origin. */
  dated(decisions: readonly TimedDecision[]): Decision[] {
    const epoch = this.#clock.date().getTime() - this.#clock.now()
    // A decision keeps its date in every listing, unless the wall clock was set.
    if (Math.abs(epoch - this.#epoch) > CLOCK_STEP_MS) this.#epoch = epoch
    return decisions.map(({ madeAt, ...decision }) => ({
      at: new Date(this.#epoch + madeAt).toISOString(),
      ...decision,
    }))
  }

  /** Returns the decisions that match the filter, with the times at which they were made, the latest first. */
  timed({ limit = DECISIONS_KEPT, backend, request }: DecisionFilter = {}): TimedDecision[] {
    const found: TimedDecision[] = []
    const wanted = request?.slice(0, MAX_ID_LENGTH)
    for (let back = 1; back <= this.#count && found.length < limit; back++) {
      const i = (this.#next - back + DECISIONS_KEPT) % DECISIONS_KEPT
      if (backend !== undefined && this.#backend[i] !== backend) continue
      const id = this.#idOf(i)
      if (wanted !== undefined && id !== wanted) continue
      found.push({
        madeAt: this.#number(i, AT),
        request: id,
        policy: policyNames[this.#number(i, POLICY)] as PolicyName,
        backend: this.#backend[i] as string,
        inFlight: this.#number(i, IN_FLIGHT),
        inFlightElsewhere: Math.round(this.#number(i, ELSEWHERE)),
        load: Math.round(this.#number(i, LOAD)),
        kind: decisionKinds[this.#number(i, KIND)] as DecisionKind,
        eligible: this.#number(i, ELIGIBLE),
        waited: Math.round(this.#number(i, WAITED) * 1000) / 1000,
        cause: this.#cause[i] ?? null,
      })
    }
    return found
  }

  #idOf(i: number): string | null {
    const length = this.#number(i, ID_LENGTH)
    if (length === 0) return null
    return String.fromCharCode(...this.#id.subarray(i * MAX_ID_LENGTH, i * MAX_ID_LENGTH + length))
  }

  #number(i: number, slot: number): number {
    return this.#numbers[i * FIELD_COUNT + slot] as number
  }
}
