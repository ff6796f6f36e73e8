import type { Lease } from '../leases/lease.js'
import type { Cause } from '../leases/outcome.js'
import { type PolicyName, policyNames } from '../selection/policies/index.js'
import type { Clock } from '../time/clock.js'

/**
 * Why a backend was chosen just then. `choice`: a request came. `trial`: to find out whether an ejected backend is well
 * again. `retry`: another one had failed the request. `hedge`: another one took long. `queue`: the request had waited.
 */
export type DecisionKind = keyof typeof kindNumbers

/** What is noted of it. */
export const kindNumbers = { choice: 0, trial: 1, retry: 2, hedge: 3, queue: 4 } as const

export const kinds = Object.keys(kindNumbers) as DecisionKind[]

/** A request was given to a backend. */
export interface Decision {
  at: string
  /** Its id, where whoever asked for a lease named one. */
  request: string | null
  policy: PolicyName
  /** Id of the backend. */
  backend: string
  /** Requests that the backend had then, this one included. */
  inFlight: number
  /** What policies compare: the same, and those that were overtaken, less tunnels without traffic. */
  load: number
  kind: DecisionKind
  /** How many backends requests were given to at that time. */
  eligible: number
  /** Milliseconds that it had waited for this choice. */
  waited: number
  /** Why that backend failed the request; null where it did not, or has yet to answer. */
  cause: Cause | null
}

export interface DecisionFilter {
  /** At most so many, the latest; all that are known by default. */
  limit?: number | undefined
  /** Only of the backend with this id. */
  backend?: string | undefined
  /** Only of the request with this id. */
  request?: string | undefined
}

/** Choices that are kept. */
export const KEPT = 1000
/** Milliseconds by which the date and the monotonic clock may drift apart before it counts. */
const STEP = 100
/** Where in those numbers is what, */
const AT = 0
const WAITED = 1
const IN_FLIGHT = 2
const LOAD = 3
const ELIGIBLE = 4
const POLICY = 5
const KIND = 6
const ID_LENGTH = 7
/** and how many they are. */
const SIZE = 8
/** Characters of a request's id for which there is room; of longer ones the end is not kept. */
const ID = 128

/**
 * The latest choices. Noted with each of them, and read hardly ever: so what is noted is numbers, in arrays that are
 * there from the start. An object for each, or a request's id as a string, would be one more thing to be moved and
 * collected for each request; so ids are kept as the numbers of their characters.
 */
export class DecisionLog {
  readonly #clock: Clock
  /** Those of one choice stand side by side, {@link SIZE} of them. */
  readonly #numbers = new Float64Array(KEPT * SIZE)
  /** Ids of backends, which are as old as these. */
  readonly #backend = new Array<string>(KEPT).fill('')
  readonly #id = new Uint16Array(KEPT * ID)
  /** Why the backend failed the request, for the few choices of which it did. */
  readonly #cause = new Array<Cause | undefined>(KEPT).fill(undefined)
  /** The date at which monotonic time began. */
  #epoch = 0
  #count = 0
  #next = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * A backend was chosen.
   * @param kind of {@link kindNumbers}
   * @param policy its index in {@link policyNames}
   * @param eligible how many there were to choose from
   * @param request its id
   * @param since when it began to wait, in monotonic milliseconds, if it had to
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
    this.#next = i + 1 === KEPT ? 0 : i + 1
    if (this.#count < KEPT) this.#count++
    this.#backend[i] = backend.id
    this.#cause[i] = undefined
    // An app may make ids that are none of what their type says.
    const length = typeof request === 'string' ? Math.min(ID, request.length) : 0
    const numbers = this.#numbers
    const slot = i * SIZE
    numbers[slot + AT] = acquiredAt
    numbers[slot + WAITED] = acquiredAt - since
    numbers[slot + IN_FLIGHT] = inFlight
    numbers[slot + LOAD] = backend.load
    numbers[slot + ELIGIBLE] = eligible
    numbers[slot + POLICY] = policy
    numbers[slot + KIND] = kind
    numbers[slot + ID_LENGTH] = length
    for (let c = 0, at = i * ID; c < length; c++, at++) this.#id[at] = (request as string).charCodeAt(c)
  }

  /** The backend that was chosen failed the request. */
  failed(lease: Lease): void {
    const { place, backend, acquiredAt, inFlight, cause } = lease
    // Another choice may stand there by now.
    const slot = place * SIZE
    const numbers = this.#numbers
    const same = numbers[slot + AT] === acquiredAt && numbers[slot + IN_FLIGHT] === inFlight
    if (same && this.#backend[place] === backend.id) this.#cause[place] = cause
  }

  /** The latest first. */
  list({ limit = KEPT, backend, request }: DecisionFilter = {}): Decision[] {
    const found: Decision[] = []
    const wanted = request?.slice(0, ID)
    const epoch = this.#clock.date().getTime() - this.#clock.now()
    // The same choice is of the same time whenever one looks, unless somebody has put the clock right.
    if (Math.abs(epoch - this.#epoch) > STEP) this.#epoch = epoch
    for (let back = 1; back <= this.#count && found.length < limit; back++) {
      const i = (this.#next - back + KEPT) % KEPT
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
        kind: kinds[this.#number(i, KIND)] as DecisionKind,
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
    return String.fromCharCode(...this.#id.subarray(i * ID, i * ID + length))
  }

  #number(i: number, slot: number): number {
    return this.#numbers[i * SIZE + slot] as number
  }
}
