import type { FastifyBaseLogger } from 'fastify'
import { type Logger, pino } from 'pino'
import { INFO_AS_TEXT } from '../../telemetry/text-logger.js'

const { chindingsSym } = pino.symbols as unknown as { chindingsSym: keyof Logger }

type RequestLogger = Record<keyof Logger, unknown> & { [INFO_AS_TEXT]: typeof infoAsText }

/**
 * The logger of one request: a child of the app's logger that only adds the request's fields to its lines. pino's
 * `child()` also sets a level and a method for each level, and this takes longer than the one line that most requests
 * log.
 */
export function requestLogger(parent: FastifyBaseLogger, fields: object): FastifyBaseLogger {
  const logger = Object.create(parent) as RequestLogger
  let text = String((parent as Logger)[chindingsSym])
  for (const [name, value] of Object.entries(fields))
    text += `,${JSON.stringify(name)}:${JSON.stringify(value)}`
  logger[chindingsSym] = text
  logger[INFO_AS_TEXT] = infoAsText
  return logger as unknown as FastifyBaseLogger
}

/** Logs a line with fields that are text already: pino puts the fields of a child before those of its line, as text. */
function infoAsText(this: RequestLogger, fields: string, message: string): void {
  const own = this[chindingsSym]
  this[chindingsSym] = own + fields
  try {
    ;(this as unknown as Logger).info(message)
  } finally {
    this[chindingsSym] = own
  }
}
