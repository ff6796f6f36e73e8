import type { Clock } from './clock.js'
import type { Lease } from './lease.js'
import { type PolicyName, policyNames } from './policies/index.js'

/**
 * Why a backend was chosen just then. `choice`: a request came. `trial`: to find out whether an ejected backend is well
 * again. `retry`: another one had failed the request. `hedge`: another one took long. `queue`: the request had waited.
 */
export type DecisionKind = (typeof kinds)[number]

const kinds = ['choice', 'trial', 'retry', 'hedge', 'queue'] as const

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
  /** What policies compare: the same, and those that were overtaken. */
  load: number
  kind: DecisionKind
  /** How many backends requests were given to at that time. */
  eligible: number
  /** Milliseconds that it had waited for this choice. */
  waited: number
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
/** Characters of a request's id for which there is room; of longer ones the end is not kept. */
const ID = 128

/**
 * The latest choices. Noted with each of them, and read hardly ever: so what is noted is numbers, in arrays that are
 * there from the start. An object for each, or a request's id as a string, would be one more thing to be moved and
 * collected for each request; so ids are kept as the numbers of their characters.
 */
export class Decisions {
  readonly #clock: Clock
  readonly #at = new Float64Array(KEPT)
  readonly #waited = new Float64Array(KEPT)
  readonly #inFlight = new Uint32Array(KEPT)
  readonly #load = new Uint32Array(KEPT)
  readonly #eligible = new Uint32Array(KEPT)
  readonly #policy = new Uint8Array(KEPT)
  readonly #kind = new Uint8Array(KEPT)
  /** Ids of backends, which are as old as these. */
  readonly #backend = new Array<string>(KEPT).fill('')
  readonly #idLength = new Uint8Array(KEPT)
  readonly #id = new Uint16Array(KEPT * ID)
  #count = 0
  #next = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * A backend was chosen.
   * @param policy its index in {@link policyNames}
   * @param eligible how many there were to choose from
   * @param request its id
   * @param since when it began to wait, in monotonic milliseconds, if it had to
   */
  add(
    kind: DecisionKind,
    { backend, inFlight, acquiredAt }: Lease,
    policy: number,
    eligible: number,
    request: string | undefined,
    since = acquiredAt,
  ): void {
    const i = this.#next
    this.#next = i + 1 === KEPT ? 0 : i + 1
    if (this.#count < KEPT) this.#count++
    this.#at[i] = acquiredAt
    this.#waited[i] = acquiredAt - since
    this.#inFlight[i] = inFlight
    this.#load[i] = inFlight + backend.overtaken
    this.#eligible[i] = eligible
    this.#policy[i] = policy
    this.#kind[i] = kinds.indexOf(kind)
    this.#backend[i] = backend.id
    // An app may make ids that are none of what their type says.
    const length = typeof request === 'string' ? Math.min(ID, request.length) : 0
    this.#idLength[i] = length
    for (let c = 0, at = i * ID; c < length; c++, at++) this.#id[at] = (request as string).charCodeAt(c)
  }

  /** The latest first. */
  list({ limit = KEPT, backend, request }: DecisionFilter = {}): Decision[] {
    const found: Decision[] = []
    const wanted = request?.slice(0, ID)
    const now = this.#clock.now()
    const date = this.#clock.date().getTime()
    for (let back = 1; back <= this.#count && found.length < limit; back++) {
      const i = (this.#next - back + KEPT) % KEPT
      if (backend !== undefined && this.#backend[i] !== backend) continue
      const id = this.#idOf(i)
      if (wanted !== undefined && id !== wanted) continue
      found.push({
        at: new Date(date - (now - (this.#at[i] as number))).toISOString(),
        request: id,
        policy: policyNames[this.#policy[i] as number] as PolicyName,
        backend: this.#backend[i] as string,
        inFlight: this.#inFlight[i] as number,
        load: this.#load[i] as number,
        kind: kinds[this.#kind[i] as number] as DecisionKind,
        eligible: this.#eligible[i] as number,
        waited: Math.round((this.#waited[i] as number) * 1000) / 1000,
      })
    }
    return found
  }

  #idOf(i: number): string | null {
    const length = this.#idLength[i] as number
    if (length === 0) return null
    return String.fromCharCode(...this.#id.subarray(i * ID, i * ID + length))
  }
}
