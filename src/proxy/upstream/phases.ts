import type { ProxyContext } from '../context.js'
import type { Deadline, DeadlinePool } from './deadline.js'
import type { BackendTimeoutError } from './failures/failures.js'
import type { Timeouts } from './timeouts.js'

/** What a backend is waited for: to connect, to take the request, to respond, to go on with its body. */
export type Phase = BackendTimeoutError['waitingFor']

/** The phases of one attempt, each with its deadline. */
export class Phases {
  readonly #context: ProxyContext
  readonly #timeouts: Timeouts
  readonly #pool: DeadlinePool
  /** Undefined once there are no further phases: then it may be another attempt's. */
  #deadline: Deadline | undefined
  #current: Phase = 'connection'

  /** Begins with the connection. @param onExpired called when the deadline of the current phase has expired */
  constructor(context: ProxyContext, timeouts: Timeouts, pool: DeadlinePool, onExpired: () => void) {
    this.#context = context
    this.#timeouts = timeouts
    this.#pool = pool
    this.#deadline = pool.take(onExpired)
    this.#deadline.set(timeouts.connect)
  }

  get current(): Phase {
    return this.#current
  }

  get isOver(): boolean {
    return this.#deadline === undefined
  }

  enter(phase: Phase): void {
    this.#current = phase
    this.restart()
  }

  /** There was progress in the current phase: its time begins anew. */
  restart(): void {
    this.#deadline?.set(this.#timeout)
  }

  /** The time of the current phase does not run until `restart`. */
  suspend(): void {
    this.#deadline?.clear()
  }

  /** There are no further phases. */
  end(): void {
    const deadline = this.#deadline
    this.#deadline = undefined
    if (deadline) this.#pool.giveBack(deadline)
  }

  get #timeout(): number {
    const { connect, response, body } = this.#timeouts
    if (this.#current === 'connection') return connect
    if (this.#current === 'response') return response
    return this.#context.isQuiet ? 0 : body
  }
}
