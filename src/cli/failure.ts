import type { ConfigMistake } from '../admin/contract/config.js'
import { mistakeLine } from '../text/mistake-line.js'
import { terminalJson, terminalText } from './terminal-text.js'

const exitCodes = {
  /** Exit code if the gateway refused the call. */
  refused: 1,
  usage: 2,
  /**
   * Exit code if no gateway can be reached, if it does not respond in time, or if something else than a gateway
   * responds.
   */
  unreachable: 3,
  /** Exit code if the call succeeded but its result could not be printed. */
  output: 4,
}

/** The error with which a command fails. */
export class Failure extends Error {
  readonly exitCode: number
  /** Error code of the gateway, or else `LEASTWISE_USAGE`, `LEASTWISE_UNREACHABLE` or `LEASTWISE_OUTPUT`. */
  readonly code: string
  /** HTTP status of the response with which the gateway refused the call; undefined for other failures. */
  readonly statusCode: number | undefined
  /** Mistakes of the gateway's file, where it was not taken for them. */
  readonly mistakes: readonly ConfigMistake[] | undefined

  constructor(
    kind: keyof typeof exitCodes,
    message: string,
    code = `LEASTWISE_${kind.toUpperCase()}`,
    statusCode?: number,
    mistakes?: readonly ConfigMistake[],
  ) {
    super(message)
    this.exitCode = exitCodes[kind]
    this.code = code
    this.statusCode = statusCode
    this.mistakes = mistakes
  }

  /** True if the same call may succeed when it is repeated a second later. */
  get isPassing(): boolean {
    return this.exitCode === exitCodes.unreachable
  }
}

/** Prints a failure on standard error, as one line, or as a line for each mistake of the gateway's file. */
export function report(failure: Failure, json: boolean): void {
  const { exitCode, code, statusCode, message, mistakes } = failure
  if (mistakes && !json) {
    for (const mistake of mistakes) process.stderr.write(`${terminalText(mistakeLine(mistake))}\n`)
    return
  }
  // Only refusals of the gateway are printed with their code; other messages are understood without one.
  const text = exitCode === exitCodes.refused ? `${code}: ${message}` : message
  process.stderr.write(
    json
      ? `${terminalJson({ exitCode, code, statusCode, message, mistakes })}\n`
      : `leastwise: ${terminalText(text)}\n`,
  )
}
