import type { FastifyBaseLogger } from 'fastify'

type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'

/**
 * The logger of one request. A child of the app's logger costs more to make than the one line that most requests log,
 * so it adds the request's fields to that line instead.
 */
export class RequestLogger {
  readonly #logger: FastifyBaseLogger
  readonly #bindings: object

  constructor(logger: FastifyBaseLogger, bindings: object) {
    this.#logger = logger
    this.#bindings = bindings
  }

  get level(): string {
    return this.#logger.level
  }

  trace(...line: unknown[]): void {
    this.#log('trace', line)
  }

  debug(...line: unknown[]): void {
    this.#log('debug', line)
  }

  info(...line: unknown[]): void {
    this.#log('info', line)
  }

  warn(...line: unknown[]): void {
    this.#log('warn', line)
  }

  error(...line: unknown[]): void {
    this.#log('error', line)
  }

  fatal(...line: unknown[]): void {
    this.#log('fatal', line)
  }

  silent(): void {}

  child(...parameters: Parameters<FastifyBaseLogger['child']>): FastifyBaseLogger {
    return this.#logger.child(this.#bindings).child(...parameters)
  }

  #log(level: Level, [first, ...rest]: unknown[]): void {
    const write = (fields: object, ...more: unknown[]) =>
      (this.#logger[level] as (...line: unknown[]) => void)(fields, ...more)
    if (first instanceof Error)
      write({ ...this.#bindings, err: first }, ...(rest.length > 0 ? rest : [first.message]))
    else if (typeof first === 'object' && first !== null) write({ ...this.#bindings, ...first }, ...rest)
    else write(this.#bindings, first, ...rest)
  }
}
