import type { FastifyBaseLogger } from 'fastify'

/** Signals that ask for an orderly end. Ctrl-C sends SIGINT, Ctrl-\ SIGQUIT, nodemon SIGUSR2, all others SIGTERM. */
const ENDING = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGUSR2'] as const

/**
 * Signals of a broken process. The system ends it, and writes a core dump where it is told to. With a listener the
 * instruction that broke it would be tried again, for ever.
 */
const FAULTS = ['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGSEGV'] as const

/** What close-with-grace would listen for besides. */
export const ownSignals = [...ENDING, ...FAULTS, 'SIGHUP' as const]

/**
 * Milliseconds in which a further signal says nothing new. One Ctrl-C reaches the gateway twice under `npm start`: the
 * terminal sends it to the whole process group, and npm passes its own on.
 */
const SAME_SIGNAL_MS = 1000

const exit = () => process.exit(0)
const nothing = () => {}

/**
 * Has signals end the process at once: while it starts there is nothing to end in order. (Without a listener process 1 of a
 * container would not end at all: the system keeps from it signals that it does not listen for.)
 */
export function endAtOnce(): void {
  for (const signal of ENDING) process.on(signal, exit)
  process.on('SIGHUP', nothing)
}

export interface SignalListener {
  /** Ends in order. Called at most once. */
  end(signal: NodeJS.Signals): void
  /** Ends at once: whoever sent this does not want to wait for the orderly end. */
  endNow(signal: NodeJS.Signals): void
  /** A signal came that changes nothing. */
  ignored(signal: NodeJS.Signals, why: string): void
}

/** Tells signals that end the process from those that do not. */
export class Signals {
  readonly #listener: SignalListener
  readonly #now: () => number
  /** When the first one came, or the end began for another reason. */
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

  /** The process ends, whether or not a signal was the reason. */
  begin(): void {
    this.#endingSince ??= this.#now()
  }

  /** One of the signals that end the process came. */
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

/** A terminal that closes sends SIGHUP, and so does whoever wants a configuration to be read again. Neither is an end. */
export function ignoreHangup(logger: Pick<FastifyBaseLogger, 'info'>): void {
  const text = 'SIGHUP changes nothing: there is nothing to reload, and SIGTERM ends the gateway'
  process.on('SIGHUP', () => logger.info({ signal: 'SIGHUP' }, text))
}
