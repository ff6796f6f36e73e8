import type { FastifyBaseLogger } from 'fastify'
import { type Logger, pino } from 'pino'

const { chindingsSym } = pino.symbols as unknown as { chindingsSym: keyof Logger }

/**
 * The logger of one request: a child of the app's that has the request's fields in its lines, and nothing else of its
 * own. pino's `child()` also gives it a level and a method for each level, and takes longer for that than for the one
 * line that most requests log.
 */
export function requestLogger(parent: FastifyBaseLogger, fields: object): FastifyBaseLogger {
  const logger = Object.create(parent) as Record<keyof Logger, unknown>
  let text = String((parent as Logger)[chindingsSym])
  for (const [name, value] of Object.entries(fields))
    text += `,${JSON.stringify(name)}:${JSON.stringify(value)}`
  logger[chindingsSym] = text
  return logger as unknown as FastifyBaseLogger
}
