import { choice } from '../setting-types.js'
import { group, setting } from './setting.js'

export const log = group('Log', {
  logLevel: setting({
    type: choice('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    default: 'info',
    meaning:
      'Lowest level that is logged: `trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`. At `info` each request is a line, at `debug` with its header fields',
  }),
  logFormat: setting({
    type: choice('json', 'pretty'),
    default: 'json',
    meaning:
      'Format of log lines: `json`, or `pretty` for reading at a terminal during development, which needs the package pino-pretty',
  }),
})
