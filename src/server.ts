#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import closeWithGrace from 'close-with-grace'
import { parse } from 'dotenv'
import { pino } from 'pino'
import { StoreError } from './balancer/errors.js'
import { parseConfig } from './config.js'
import { logStream } from './log-stream.js'
import { guardMemoryUsage } from './memory-usage.js'
import { prettyLog } from './pretty-log.js'
import { SettingError } from './settings.js'
import { createStandalone, ListenError } from './standalone.js'

const usage = `leastwise: a load balancer that sends each request to the least loaded backend

Usage: leastwise
  Serves. Settings come from the environment and from .env in this folder, BACKENDS, PORT and ADMIN_PORT
  first of all; .env.example in the package lists them all.

  --help     this text
  --version  the version
`

/** The process: environment, logger, listeners, signals. */
async function main(): Promise<void> {
  const [argument] = process.argv.slice(2)
  if (argument === '--help' || argument === '-h') return print(usage)
  if (argument === '--version' || argument === '-v') return print(`${version()}\n`)
  if (argument !== undefined) throw new SettingError(argument, 'is not an option; see leastwise --help')

  const settings = parseConfig({ ...readEnvFile(), ...process.env })
  const stdout = logStream()
  const stream = settings.logFormat === 'pretty' ? await prettyLog(stdout) : stdout
  const logger = pino({ level: settings.logLevel }, stream)

  guardMemoryUsage()
  const gateway = await createStandalone(settings, logger)
  // No delay of its own: SHUTDOWN_TIMEOUT is kept below, and decides about the exit code.
  closeWithGrace({ delay: false, logger }, async ({ signal, err }) => {
    if (err) logger.fatal({ err }, 'unexpected error')
    else logger.info({ signal }, 'shutting down')
    const cut = await gateway.close(settings.shutdownTimeout)
    if (cut > 0) {
      logger.error({ cut }, 'stopped: requests were cut after SHUTDOWN_TIMEOUT')
      process.exit(1)
    }
    logger.info('stopped')
  })
  await gateway.listen()
}

function print(text: string): void {
  process.stdout.write(text)
}

function version(): string {
  const manifest = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}

/** Variables from `.env`, if there is one; those of the process go before them. */
function readEnvFile(): Record<string, string> {
  try {
    return parse(readFileSync('.env'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new SettingError('.env', `cannot be read: ${(error as Error).message}`)
  }
}

main().catch((error: unknown) => {
  const expected = [SettingError, ListenError, StoreError].some((kind) => error instanceof kind)
  process.stderr.write(
    `leastwise: ${expected ? (error as Error).message : ((error as Error)?.stack ?? String(error))}\n`,
  )
  process.exit(1)
})
