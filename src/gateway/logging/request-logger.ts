import type { FastifyBaseLogger } from 'fastify'
import { type Logger, pino } from 'pino'

const { chindingsSym } = pino.symbols as unknown as { chindingsSym: keyof Logger }

/**
 * The logger of one request: a child of the app's logger that only adds the request's fields to its lines. pino's
 * `child()` also sets a level and a method for each level, and this takes longer than the one line that most requests
 * log.
 */
export function requestLogger(parent: FastifyBaseLogger, fields: object): FastifyBaseLogger {
  const logger = Object.create(parent) as Record<keyof Logger, unknown>
  let text = String((parent as Logger)[chindingsSym])
  for (const [name, value] of Object.entries(fields))
    text += `,${JSON.stringify(name)}:${JSON.stringify(value)}`
  logger[chindingsSym] = text
  return logger as unknown as FastifyBaseLogger
}
