import { isatty } from 'node:tty'
import type { LogStream } from './log-stream.js'

const STDOUT = 1

/**
 * Lines for people at a terminal instead of JSON, in colour where that is one. What a request's line says first, and
 * what it has nothing to say of, is not repeated. For development: a line takes some ten times longer.
 * @returns undefined where the package pino-pretty, which makes them, is not installed
 */
export async function prettyLog(to: LogStream): Promise<LogStream | undefined> {
  // Whoever has JSON does not load it.
  const { prettyFactory } = await import('pino-pretty').catch(ignoreMissing)
  if (!prettyFactory) return undefined
  const prettify = prettyFactory({
    // https://no-color.org
    colorize: isatty(STDOUT) && !process.env.NO_COLOR,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
    // A request's `error` is a word.
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

/** A request's line with what matters most as its message: `GET /users 200 b 12.3 ms`. */
function summed(entry: Record<string, unknown>): Record<string, unknown> {
  const { method, path, statusCode, error, backend, responseTime, remoteAddress, ...others } = entry
  const time = typeof responseTime === 'number' ? `${responseTime} ms` : undefined
  const words = [method, path, statusCode, error, backend, time]
  const rest = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== null))
  // Most clients come without a proxy.
  const proxy = remoteAddress === entry.clientAddress ? {} : { remoteAddress }
  return { ...rest, ...proxy, msg: words.filter((word) => word !== null && word !== undefined).join(' ') }
}

/** Nothing that is exported, where the package is not there. */
function ignoreMissing(error: NodeJS.ErrnoException): { prettyFactory?: undefined } {
  if (error.code === 'ERR_MODULE_NOT_FOUND') return {}
  throw error
}
