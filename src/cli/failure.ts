import { terminalJson, terminalText } from './terminal-text.js'

const exitCodes = {
  /** The gateway refused the call. */
  refused: 1,
  usage: 2,
  /** There is no gateway, it does not answer in time, or the answer comes from something else. */
  unreachable: 3,
  /** The call succeeded, but its result could not be printed. */
  output: 4,
}

/** The reason why a command failed. */
export class Failure extends Error {
  readonly exitCode: number
  /** The error code: the gateway's, or `LEASTWISE_USAGE`, `LEASTWISE_UNREACHABLE` or `LEASTWISE_OUTPUT`. */
  readonly code: string
  /** Of the response, where the gateway refused the call. */
  readonly statusCode: number | undefined

  constructor(
    kind: keyof typeof exitCodes,
    message: string,
    code = `LEASTWISE_${kind.toUpperCase()}`,
    statusCode?: number,
  ) {
    super(message)
    this.exitCode = exitCodes[kind]
    this.code = code
    this.statusCode = statusCode
  }

  /** Whether the same call may succeed a second later. */
  get isPassing(): boolean {
    return this.exitCode === exitCodes.unreachable
  }
}

/** Prints a failure on standard error, in one line. */
export function report(failure: Failure, json: boolean): void {
  const { exitCode, code, statusCode, message } = failure
  // An error of usage is understood without its code.
  const text = exitCode === exitCodes.refused ? `${code}: ${message}` : message
  process.stderr.write(
    json
      ? `${terminalJson({ exitCode, code, statusCode, message })}\n`
      : `leastwise: ${terminalText(text)}\n`,
  )
}
