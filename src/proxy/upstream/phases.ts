import type { ProxyContext } from '../context.js'
import type { Deadline, DeadlinePool } from './deadline.js'
import type { BackendTimeoutError } from './failures/failures.js'
import type { Timeouts } from './timeouts.js'

/**
 * The step that the gateway waits for: the backend connects, takes the request, responds, or continues the response's
 * body.
 */
export type Phase = BackendTimeoutError['waitingFor']

/** The phases of one attempt, one after the other, each with its deadline. */
export class Phases {
  readonly #context: ProxyContext
  readonly #timeouts: Timeouts
  readonly #pool: DeadlinePool
  /**
   * The deadline of the current phase; undefined after the last phase, because another attempt may use the object then.
   */
  #deadline: Deadline | undefined
  #current: Phase = 'connection'

  /**
   * Begins the first phase, the connection.
   * @param onExpired called when the deadline of the current phase has expired
   */
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

  /** Restarts the time limit of the current phase, because there was progress. */
  restart(): void {
    this.#deadline?.set(this.#timeout)
  }

  /** Stops the time limit of the current phase until `restart` is called. */
  suspend(): void {
    this.#deadline?.clear()
  }

  /** Ends the last phase and gives the deadline back to the pool. */
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
