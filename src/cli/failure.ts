import { terminalJson, terminalText } from './terminal-text.js'

const exitCodes = {
  /** The gateway refused the call. */
  refused: 1,
  usage: 2,
  /** No gateway there, none that answers in time, or something else than a gateway. */
  unreachable: 3,
  /** It was done, and could not be told. */
  output: 4,
}

/** Why a command ends without having done what it was asked to. */
export class Failure extends Error {
  readonly exitCode: number
  /** The gateway's, or `LEASTWISE_USAGE`, `LEASTWISE_UNREACHABLE` or `LEASTWISE_OUTPUT`. */
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

  /** Whether the same call may be answered a second later. */
  get isPassing(): boolean {
    return this.exitCode === exitCodes.unreachable
  }
}

/** Tells of a failure on standard error, in one line. */
export function report(failure: Failure, json: boolean): void {
  const { exitCode, code, statusCode, message } = failure
  // What was typed wrong needs no code to be understood.
  const text = exitCode === exitCodes.refused ? `${code}: ${message}` : message
  process.stderr.write(
    json
      ? `${terminalJson({ exitCode, code, statusCode, message })}\n`
      : `leastwise: ${terminalText(text)}\n`,
  )
}
