import type { FastifyBaseLogger } from 'fastify'

/** Signals that ask for an orderly end. Ctrl-C sends SIGINT, Ctrl-\ SIGQUIT, nodemon SIGUSR2, all others SIGTERM. */
const ENDING = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGUSR2'] as const

/**
 * Signals of a broken process. Without a listener the system ends the process, and writes a core dump where it is
 * configured to. With a listener, the instruction that caused the signal would be repeated for ever.
 */
const FAULTS = ['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGSEGV'] as const

/** Signals that the gateway handles itself and close-with-grace must not listen for. */
export const ownSignals = [...ENDING, ...FAULTS, 'SIGHUP' as const]

/**
 * Milliseconds in which a repeated signal counts as the same one. One Ctrl-C reaches the gateway twice under `npm
 * start`: the terminal sends it to the whole process group, and npm forwards the signal that it gets.
 */
const SAME_SIGNAL_MS = 1000

const exit = () => process.exit(0)
const nothing = () => {}

/**
 * Makes signals end the process at once, because while it starts there is nothing to shut down in order. (Without a
 * listener, process 1 of a container would not end at all: the system does not deliver signals to it that it does not
 * listen for.)
 */
export function endAtOnce(): void {
  for (const signal of ENDING) process.on(signal, exit)
  process.on('SIGHUP', nothing)
}

export interface SignalListener {
  /** Begins the orderly shutdown. Called at most once. */
  end(signal: NodeJS.Signals): void
  /** Ends the process at once, because a second signal asked not to wait for the orderly shutdown. */
  endNow(signal: NodeJS.Signals): void
  /** Called for a signal that changes nothing. */
  ignored(signal: NodeJS.Signals, why: string): void
}

/** Tells signals that end the process from those that do not. */
export class Signals {
  readonly #listener: SignalListener
  readonly #now: () => number
  /** When the first signal came, or the shutdown began for another reason. */
  #endingSince: number | undefined

  /** @param now monotonic milliseconds */
  constructor(listener: SignalListener, now = () => performance.now()) {
    this.#listener = listener
    this.#now = now
  }

  listen(): void {
    for (const signal of ENDING) {
      process.on(signal, () => this.ending(signal))
      process.off(signal, exit)
    }
  }

  /** Whether the process is about to end. */
  get isEnding(): boolean {
    return this.#endingSince !== undefined
  }

  /** Notes that the process is ending, whether or not a signal was the reason. */
  begin(): void {
    this.#endingSince ??= this.#now()
  }

  /** Handles a signal that ends the process. */
  ending(signal: NodeJS.Signals): void {
    if (this.#endingSince === undefined) {
      this.begin()
      this.#listener.end(signal)
    } else if (this.#now() - this.#endingSince < SAME_SIGNAL_MS) {
      this.#listener.ignored(signal, 'it came within a second of the first, and counts as the same')
    } else {
      this.#listener.endNow(signal)
    }
  }
}

/**
 * Ignores SIGHUP. A terminal that closes sends it, and so do people who want a configuration to be read again. Neither
 * should end the gateway.
 */
export function ignoreHangup(logger: Pick<FastifyBaseLogger, 'info'>): void {
  const text = 'SIGHUP changes nothing: there is nothing to reload, and SIGTERM ends the gateway'
  process.on('SIGHUP', () => logger.info({ signal: 'SIGHUP' }, text))
}

/** Has SIGHUP load the configuration again. What comes of it is logged there. */
export function onHangup(reload: () => Promise<unknown>): void {
  process.on('SIGHUP', () => void reload().catch(() => {}))
}
