import type { Lease } from '../leases/lease.js'
import type { Cause } from '../leases/outcome.js'
import { type PolicyName, policyNames } from '../selection/policies/index.js'
import type { Clock } from '../time/clock.js'

/**
 * Why a backend was chosen. `choice`: for a request that just came. `trial`: to probe an ejected backend. `retry`: for
 * a request that another backend had failed. `hedge`: for the second attempt of a request that another backend takes
 * long for. `queue`: for a request that had waited.
 */
export type DecisionKind = keyof typeof decisionKindNumbers

/** The number under which each kind is stored. */
export const decisionKindNumbers = { choice: 0, trial: 1, retry: 2, hedge: 3, queue: 4 } as const

export const decisionKinds = Object.keys(decisionKindNumbers) as DecisionKind[]

/** The choice of a backend for a request. */
export interface Decision {
  at: string
  /** Id of the request; null where the lease was requested without one. */
  request: string | null
  policy: PolicyName
  /** Id of the backend. */
  backend: string
  /** Requests in flight on the backend at that time, this one included. */
  inFlight: number
  /** The load that policies compare: `inFlight`, plus requests that a hedge took away, less tunnels without traffic. */
  load: number
  kind: DecisionKind
  /** How many backends were eligible. */
  eligible: number
  /** Milliseconds that the request had waited for this choice. */
  waited: number
  /** Why the backend failed the request; null where it did not, or has not answered yet. */
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
/** Milliseconds by which the wall clock may move against the monotonic clock before decisions get another date. */
const CLOCK_STEP_MS = 100
/** The index of each number of a decision, and how many there are. */
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
 * The latest decisions, in a ring buffer. They are written with each request and hardly ever read, so they are stored as
 * numbers in arrays that are allocated once: an object, or the string of an id, would have to be collected for each
 * request. Ids of requests are stored as character codes.
 */
export class DecisionLog {
  readonly #clock: Clock
  /** {@link FIELD_COUNT} numbers for each decision. */
  readonly #numbers = new Float64Array(CAPACITY * FIELD_COUNT)
  /** Ids of backends. These strings exist as long as the backends, so that none is allocated here. */
  readonly #backend = new Array<string>(CAPACITY).fill('')
  readonly #id = new Uint16Array(CAPACITY * MAX_ID_LENGTH)
  /** Why the backend failed the request, where it did. */
  readonly #cause = new Array<Cause | undefined>(CAPACITY).fill(undefined)
  /** The date in milliseconds at which monotonic time was 0. */
  #epoch = 0
  #count = 0
  #next = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * A backend was chosen.
   * @param kind one of {@link decisionKindNumbers}
   * @param policy its index in {@link policyNames}
   * @param eligible how many backends there were to choose from
   * @param request the request's id
   * @param since when the request began to wait, in monotonic milliseconds; by default it did not wait
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

  /** The backend that was chosen failed the request. */
  failed(lease: Lease): void {
    const { place, backend, acquiredAt, inFlight, cause } = lease
    // A newer decision may have overwritten it.
    const slot = place * FIELD_COUNT
    const numbers = this.#numbers
    const same = numbers[slot + AT] === acquiredAt && numbers[slot + IN_FLIGHT] === inFlight
    if (same && this.#backend[place] === backend.id) this.#cause[place] = cause
  }

  /** Decisions, the latest first. */
  list({ limit = CAPACITY, backend, request }: DecisionFilter = {}): Decision[] {
    const found: Decision[] = []
    const wanted = request?.slice(0, MAX_ID_LENGTH)
    const epoch = this.#clock.date().getTime() - this.#clock.now()
    // A decision has the same date in every listing, unless the wall clock was set.
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
