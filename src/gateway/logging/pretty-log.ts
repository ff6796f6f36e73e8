import { isatty } from 'node:tty'
import type { LogStream } from './log-stream.js'

const STDOUT = 1

/**
 * Formats lines for people at a terminal instead of JSON, in colour where the output is a terminal. Fields that the
 * line's message already has, and empty fields, are left out. For development only: a line takes about ten times
 * longer.
 * @returns undefined where the package pino-pretty, which formats the lines, is not installed
 */
export async function prettyLog(to: LogStream): Promise<LogStream | undefined> {
  // The package is imported here, so that a process which logs JSON does not load it.
  const { prettyFactory } = await import('pino-pretty').catch(ignoreMissing)
  if (!prettyFactory) return undefined
  const prettify = prettyFactory({
    // The variable NO_COLOR turns colours off, see https://no-color.org
    colorize: isatty(STDOUT) && !process.env.NO_COLOR,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
    // In a request's line, `error` is a word and not an error object.
    errorLikeObjectKeys: ['err'],
  })
  return {
    ...to,
    write(line) {
      const entry = JSON.parse(line) as Record<string, unknown>
      to.write(prettify(entry.msg === 'request' ? summed(entry) : entry))
    },
  }
}

/** A request's line with the most important fields as its message: `GET /users 200 b 12.3 ms`. */
function summed(entry: Record<string, unknown>): Record<string, unknown> {
  const { method, path, statusCode, error, backend, responseTime, remoteAddress, ...others } = entry
  const time = typeof responseTime === 'number' ? `${responseTime} ms` : undefined
  const words = [method, path, statusCode, error, backend, time]
  const rest = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== null))
  // Most clients come without a proxy, so both addresses are the same and one is enough.
  const proxy = remoteAddress === entry.clientAddress ? {} : { remoteAddress }
  return { ...rest, ...proxy, msg: words.filter((word) => word !== null && word !== undefined).join(' ') }
}

/** Replaces a package that is not installed by one without exports. */
function ignoreMissing(error: NodeJS.ErrnoException): { prettyFactory?: undefined } {
  if (error.code === 'ERR_MODULE_NOT_FOUND') return {}
  throw error
}
