import type { Socket } from 'node:net'
import { type ConnectionError, type FastifyBaseLogger, LogController } from 'fastify'
import type { Logger } from 'pino'
import type { Settings } from '../config/settings.js'
import { rejectMalformed } from '../proxy/downstream/connection/early-rejection.js'
import { sendError } from '../proxy/downstream/errors/error-response.js'
import { chooseRequestId } from '../proxy/downstream/request/request-id.js'
import { requestLogger } from './logging/request-logger.js'

/** Fastify's options that the traffic listener and the admin listener share: logger, request ids, errors. */
export function appOptions({ logLevel }: Settings, logger: Logger) {
  return {
    ...(logLevel !== 'silent' && {
      loggerInstance: logger as FastifyBaseLogger,
      childLoggerFactory: requestLogger,
    }),
    // The pool logs a line for each request, or nobody does.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: chooseRequestId,
    clientErrorHandler: (error: ConnectionError, socket: Socket) => rejectMalformed(error, socket),
    frameworkErrors: sendError,
  }
}
