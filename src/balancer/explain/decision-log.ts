import type { Lease } from '../leases/lease.js'
import type { RequestTraits } from '../leases/lease-request.js'
import type { Cause } from '../leases/outcome.js'
import { type PolicyName, policyNames } from '../selection/policies/index.js'
import type { Clock } from '../time/clock.js'

/**
 * The reason for the choice of a backend. `choice`: for a request that just came. `trial`: to probe an ejected backend.
 * `retry`: for a request that failed on another backend. `hedge`: for the second attempt of a request that another
 * backend is slow to answer. `queue`: for a request that had waited in the queue.
 */
export type DecisionKind = keyof typeof decisionKindNumbers

/** The number by which each kind is stored. */
export const decisionKindNumbers = { choice: 0, trial: 1, retry: 2, hedge: 3, queue: 4 } as const

/**
 * Returns the number of a decision's kind.
 * @param isProbe true if the request probes an ejected backend
 * @param waitingSince when the request began to wait; undefined if it did not wait
 */
export function decisionKindNumber(
  { again }: RequestTraits,
  isProbe: boolean,
  waitingSince: number | undefined,
): number {
  if (isProbe) return decisionKindNumbers.trial
  if (again) return decisionKindNumbers.retry
  return waitingSince === undefined ? decisionKindNumbers.choice : decisionKindNumbers.queue
}

export const decisionKinds = Object.keys(decisionKindNumbers) as DecisionKind[]

/** One choice of a backend for a request. */
export interface Decision {
  at: string
  /** Id of the request; null where the lease was requested without one. */
  request: string | null
  policy: PolicyName
  /** Id of the backend. */
  backend: string
  /** Number of requests in flight on the backend at that time, this one included. */
  inFlight: number
  /** The load that policies compare: `inFlight`, plus requests that a hedge took away, less tunnels without traffic. */
  load: number
  kind: DecisionKind
  /** Number of backends that were eligible. */
  eligible: number
  /** Milliseconds that the request had waited when the choice was made. */
  waited: number
  /** The reason for which the backend failed the request; null where it did not fail it, or has not answered yet. */
  cause: Cause | null
}

export interface DecisionFilter {
  /** Largest number of decisions to return, the latest first; by default all that are kept. */
  limit?: number | undefined
  /** Returns only decisions for the backend with this id. */
  backend?: string | undefined
  /** Returns only decisions about the request with this id. */
  request?: string | undefined
}

/** Number of decisions that are kept. */
const CAPACITY = 1000
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
const FIELD_COUNT = 8
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
  readonly #numbers = new Float64Array(CAPACITY * FIELD_COUNT)
  /** The ids of the backends. These strings exist as long as the backends, so none is allocated here. */
  readonly #backend = new Array<string>(CAPACITY).fill('')
  readonly #id = new Uint16Array(CAPACITY * MAX_ID_LENGTH)
  /** The reason for which the backend failed the request; undefined where it did not. */
  readonly #cause = new Array<Cause | undefined>(CAPACITY).fill(undefined)
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
    this.#next = i + 1 === CAPACITY ? 0 : i + 1
    if (this.#count < CAPACITY) this.#count++
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
  list({ limit = CAPACITY, backend, request }: DecisionFilter = {}): Decision[] {
    const found: Decision[] = []
    const wanted = request?.slice(0, MAX_ID_LENGTH)
    const epoch = this.#clock.date().getTime() - this.#clock.now()
    // A decision keeps its date in every listing, unless the wall clock was set.
    if (Math.abs(epoch - this.#epoch) > CLOCK_STEP_MS) this.#epoch = epoch
    for (let back = 1; back <= this.#count && found.length < limit; back++) {
      const i = (this.#next - back + CAPACITY) % CAPACITY
      if (backend !== undefined && this.#backend[i] !== backend) continue
      const id = this.#idOf(i)
      if (wanted !== undefined && id !== wanted) continue
      found.push({
        at: new Date(this.#epoch + this.#number(i, AT)).toISOString(),
        request: id,
        policy: policyNames[this.#number(i, POLICY)] as PolicyName,
        backend: this.#backend[i] as string,
        inFlight: this.#number(i, IN_FLIGHT),
        load: this.#number(i, LOAD),
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
